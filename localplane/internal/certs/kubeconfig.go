package certs

import (
	"encoding/base64"
	"fmt"
	"os"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: localplane
clusters:
- name: localplane
  cluster:
    server: %s
    certificate-authority-data: %s
contexts:
- name: localplane
  context:
    cluster: localplane
    user: %s
users:
- name: %[3]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
`

// WriteKubeconfig writes a kubeconfig for a client of the set to path. It holds
// the certificates themselves, so it can be copied elsewhere.
func (s *Set) WriteKubeconfig(path, server, client string) error {
	encode := base64.StdEncoding.EncodeToString
	pair, found := s.pairs[client]
	if !found {
		return fmt.Errorf("write kubeconfig: no client certificate named %q", client)
	}
	text := fmt.Sprintf(kubeconfig, server, encode(s.pairs[CA].Cert), client, encode(pair.Cert), encode(pair.Key))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
