package plane

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kedago/keda/localplane/internal/certs"
	"github.com/kedago/keda/localplane/internal/ports"
	"github.com/kedago/keda/localplane/internal/stages"
)

// ChildVariable is set in the environment of components, whose process may then
// watch for the end of its supervisor.
const ChildVariable = "LOCALPLANE_COMPONENT"

// prepare chooses ports and writes all files that the components need.
func (p *Plane) prepare() error {
	set, err := certs.WriteSet(p.dir.File("certs"), time.Now())
	if err != nil {
		return err
	}
	chosen, err := choosePorts(p.config.APIServerPort)
	if err != nil {
		return err
	}
	p.layout = &layout{
		certs:      set,
		etcdData:   p.dir.File("etcd"),
		kwokConfig: p.dir.File("kwok.yaml"),
		kubeconfig: map[string]string{},
		ports:      chosen,
	}
	for _, client := range []string{certs.Admin, certs.Manager, certs.Scheduler, certs.KWOK} {
		path := p.dir.File(client + ".kubeconfig")
		if err := set.WriteKubeconfig(path, url(chosen.apiServer), client); err != nil {
			return err
		}
		p.layout.kubeconfig[client] = path
	}
	if err := os.WriteFile(p.layout.kwokConfig, []byte(stages.Config()), 0o600); err != nil {
		return fmt.Errorf("write KWOK's configuration: %w", err)
	}
	if err := os.MkdirAll(p.config.LogDir, 0o700); err != nil {
		return fmt.Errorf("make the folder of logs: %w", err)
	}
	return nil
}

func choosePorts(apiServer int) (portSet, error) {
	free, err := ports.Free(5)
	if err != nil {
		return portSet{}, err
	}
	if apiServer == 0 {
		apiServer = free[4]
	}
	return portSet{etcd: free[0], etcdPeer: free[1], manager: free[2], scheduler: free[3], apiServer: apiServer}, nil
}

func (p *Plane) logFile(name string) string { return filepath.Join(p.config.LogDir, name+".log") }

// environment is all that components see: etcd and KWOK read settings from
// variables and from the home folder, and the user's are not meant for them.
func environment(home string) []string {
	env := []string{
		ChildVariable + "=1",
		"HOME=" + home,
		"KWOK_WORKDIR=" + filepath.Join(home, "kwok"),
	}
	for _, name := range []string{"PATH", "TMPDIR", "TZ"} {
		if value, found := os.LookupEnv(name); found {
			env = append(env, name+"="+value)
		}
	}
	return env
}
