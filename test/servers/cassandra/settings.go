package cassandraserver

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kedago/keda/internal/conn/conntest"
)

// settings are a node's own: without caches of logins and permissions, so that
// tests see what they change.
func settings(storage, native string, own conntest.Pair, authority string) string {
	block := func(pem string) string {
		return strings.ReplaceAll("\n"+strings.TrimSpace(pem), "\n", "\n        ")
	}
	return fmt.Sprintf(`
cluster_name: test
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
roles_validity: 0ms
permissions_validity: 0ms
credentials_validity: 0ms
commitlog_sync: periodic
commitlog_sync_period: 10000ms
commitlog_directory: data/commitlog
hints_directory: data/hints
saved_caches_directory: data/caches
cdc_raw_directory: data/cdc
data_file_directories: [data/data]
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{seeds: "127.0.0.1:%s"}]
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: %[1]s
native_transport_port: %[2]s
endpoint_snitch: SimpleSnitch
auto_bootstrap: false
auto_snapshot: false
file_cache_size: 32MiB
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
concurrent_reads: 2
concurrent_writes: 2
client_encryption_options:
  enabled: true
  optional: true
  require_client_auth: false
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
    parameters:
      private_key: |%[3]s
      trusted_certificates: |%[4]s
`, storage, native, block(own.Key+own.Cert), block(authority))
}

// arguments start a node in folder. The opened packages are those of
// Cassandra's own jvm17-server.options.
func arguments(folder, jars, jmx string) []string {
	out := []string{
		"-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dcassandra.config=file://" + filepath.Join(folder, "cassandra.yaml"),
		"-Dcassandra.storagedir=" + filepath.Join(folder, "data"),
		"-Dlogback.configurationFile=" + filepath.Join(folder, "logback.xml"),
		"-Dcassandra.superuser_setup_delay_ms=0", "-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.ring_delay_ms=1",
		"-Dcassandra-foreground=yes", "-Dcassandra.jmx.local.port=" + jmx,
		"-Djava.awt.headless=true", "-Djdk.attach.allowAttachSelf=true", "-Dio.netty.tryReflectionSetAccessible=true",
	}
	for _, p := range []string{
		"java.base/jdk.internal.misc", "java.management.rmi/com.sun.jmx.remote.internal.rmi", "java.rmi/sun.rmi.registry",
		"java.rmi/sun.rmi.server", "java.rmi/sun.rmi.transport.tcp", "java.sql/java.sql", "java.base/java.lang.ref", "jdk.unsupported/sun.misc",
	} {
		out = append(out, "--add-exports", p+"=ALL-UNNAMED")
	}
	for _, p := range []string{
		"java.base/java.lang.module", "java.base/jdk.internal.loader", "java.base/jdk.internal.ref", "java.base/jdk.internal.reflect",
		"java.base/jdk.internal.math", "java.base/jdk.internal.module", "java.base/jdk.internal.util.jar", "jdk.management/com.sun.management.internal",
		"java.base/sun.nio.ch", "java.base/java.io", "java.base/java.lang", "java.base/java.lang.reflect", "java.base/java.util",
		"java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic", "java.base/java.nio", "java.base/java.net",
	} {
		out = append(out, "--add-opens", p+"=ALL-UNNAMED")
	}
	return append(out, "-cp", filepath.Join(jars, "*"), "org.apache.cassandra.service.CassandraDaemon")
}
