package plane

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/localplane/internal/certs"
	"github.com/kedago/keda/localplane/internal/component"
	"github.com/kedago/keda/localplane/internal/ports"
)

// layout is where the parts of one plane are: pure data, so that the command
// lines can be made and tested without starting anything.
type layout struct {
	certs      *certs.Set
	etcdData   string
	kwokConfig string
	kubeconfig map[string]string // by client name
	ports      portSet
}

type portSet struct{ etcd, etcdPeer, apiServer, manager, scheduler int }

func url(port int) string { return "https://" + ports.Address(port) }

// arguments is the command line of a component.
func (l *layout) arguments(name string, c Config) []string {
	switch name {
	case component.Etcd:
		return l.etcd()
	case component.APIServer:
		return l.apiServer()
	case component.ControllerManager:
		return l.manager(c)
	case component.Scheduler:
		return append(l.delegated(certs.Scheduler, l.ports.scheduler), "--leader-elect=false")
	case component.KWOK:
		return []string{"--kubeconfig=" + l.kubeconfig[certs.KWOK], "--config=" + l.kwokConfig}
	default:
		panic("no arguments for component " + name) // a fixed list, see components
	}
}

// etcd need not survive a crash, so it does not wait for the disk. TLS keeps
// other users of the machine out, who can reach the port too.
func (l *layout) etcd() []string {
	client, peer := url(l.ports.etcd), url(l.ports.etcdPeer)
	return []string{
		"--name=localplane",
		"--data-dir=" + l.etcdData,
		"--unsafe-no-fsync",
		"--log-level=warn",
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--cert-file=" + l.certs.CertFile(certs.Serving),
		"--key-file=" + l.certs.KeyFile(certs.Serving),
		"--client-cert-auth",
		"--trusted-ca-file=" + l.certs.CertFile(certs.CA),
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=localplane=" + peer,
		"--peer-cert-file=" + l.certs.CertFile(certs.Serving),
		"--peer-key-file=" + l.certs.KeyFile(certs.Serving),
		"--peer-client-cert-auth",
		"--peer-trusted-ca-file=" + l.certs.CertFile(certs.CA),
	}
}

func (l *layout) apiServer() []string {
	return []string{
		"--bind-address=" + ports.Host,
		"--advertise-address=" + ports.Host,
		"--secure-port=" + strconv.Itoa(l.ports.apiServer),
		"--tls-cert-file=" + l.certs.CertFile(certs.Serving),
		"--tls-private-key-file=" + l.certs.KeyFile(certs.Serving),
		"--client-ca-file=" + l.certs.CertFile(certs.CA),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=10.96.0.0/16",
		// A loopback address may not be an endpoint, and no pod runs for real.
		"--endpoint-reconciler-type=none",

		"--etcd-servers=" + url(l.ports.etcd),
		"--etcd-cafile=" + l.certs.CertFile(certs.CA),
		"--etcd-certfile=" + l.certs.CertFile(certs.EtcdClient),
		"--etcd-keyfile=" + l.certs.KeyFile(certs.EtcdClient),

		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=" + l.certs.ServiceAccountKeyFile(),
		"--service-account-key-file=" + l.certs.ServiceAccountPublicFile(),

		"--enable-aggregator-routing=false",
		"--proxy-client-cert-file=" + l.certs.CertFile(certs.FrontProxy),
		"--proxy-client-key-file=" + l.certs.KeyFile(certs.FrontProxy),
		"--requestheader-client-ca-file=" + l.certs.CertFile(certs.FrontCA),
		"--requestheader-allowed-names=" + certs.FrontProxy,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
	}
}

// leftOut are controllers for what a simulated node does not have (disks,
// devices, a kubelet's certificate) and for upgrades of old clusters. Each would
// take its share of the controller manager's few requests while starting.
var leftOut = []string{
	"certificatesigningrequest-approving-controller",
	"certificatesigningrequest-cleaner-controller",
	"device-taint-eviction-controller",
	"endpointslice-mirroring-controller",
	"ephemeral-volume-controller",
	"kube-apiserver-serving-clustertrustbundle-publisher-controller",
	"legacy-serviceaccount-token-cleaner-controller",
	"persistentvolume-attach-detach-controller",
	"persistentvolume-expander-controller",
	"podcertificaterequest-cleaner-controller",
	"resourceclaim-controller",
	"service-cidr-controller",
	"storage-version-migrator-controller",
	"ttl-controller",
	"validatingadmissionpolicy-status-controller",
	"volumeattributesclass-protection-controller",
}

func (l *layout) manager(c Config) []string {
	args := append(l.delegated(certs.Manager, l.ports.manager),
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--root-ca-file="+l.certs.CertFile(certs.CA),
		"--service-account-private-key-file="+l.certs.ServiceAccountKeyFile(),
		"--cluster-signing-cert-file="+l.certs.CertFile(certs.CA),
		"--cluster-signing-key-file="+l.certs.KeyFile(certs.CA),
		"--controllers=*,-"+strings.Join(leftOut, ",-"),
		"--horizontal-pod-autoscaler-sync-period="+c.HPASyncPeriod.Round(time.Millisecond).String(),
	)
	if c.HPAClientQPS > 0 {
		args = append(args,
			fmt.Sprintf("--kube-api-qps=%d", c.HPAClientQPS),
			fmt.Sprintf("--kube-api-burst=%d", 2*c.HPAClientQPS))
	}
	return args
}

// delegated is what components share that serve health and metrics and leave
// questions of identity to the API server.
func (l *layout) delegated(client string, port int) []string {
	kubeconfig := l.kubeconfig[client]
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=" + ports.Host,
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + l.certs.CertFile(certs.Serving),
		"--tls-private-key-file=" + l.certs.KeyFile(certs.Serving),
	}
}
