package sql

import (
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/jackc/pgx/v5"
)

// pgServiceVariable names a group of settings in a file of the operator's. The
// driver reads it whenever it is set, whatever else it is told.
const pgServiceVariable = "PGSERVICE"

// parseDriver has the driver read settings. Those of its own process and of
// the files that its variables name have no part in it: complete gives every
// setting that has a variable, and a group that is asked for all the same is
// found, empty, in a pipe.
func parseDriver(s pgSettings) (*pgx.ConnConfig, error) {
	if os.Getenv(pgServiceVariable) == "" {
		return pgx.ParseConfig(s.text())
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	_, err = write.WriteString("[none]\n") // less than a pipe holds
	if err := errors.Join(err, write.Close()); err != nil {
		return nil, err
	}
	none := maps.Clone(s)
	none["service"], none["servicefile"] = "none", fmt.Sprintf("/dev/fd/%d", read.Fd())
	return pgx.ParseConfig(none.text())
}
