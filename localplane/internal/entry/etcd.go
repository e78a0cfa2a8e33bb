package entry

import "go.etcd.io/etcd/server/v3/etcdmain"

func runEtcd(args []string) int {
	etcdmain.Main(args) // ends the process itself on failure
	return 0
}
