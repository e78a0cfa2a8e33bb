package conn

import (
	"encoding/base64"

	"github.com/kedago/keda/pkg/scaler/param"
)

// Basic is the Authorization header of basic authentication, for scalers that
// put credentials on requests themselves.
func Basic(username string, password param.Hidden) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password.Reveal()))
}
