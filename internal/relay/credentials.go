package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"google.golang.org/grpc/credentials"
)

// Files are the certificate by which the roles know each other. All have the
// same, from one authority, and may be replaced at any time.
type Files struct {
	CA, Cert, Key string
	// Names are those of which a peer's certificate must have one.
	Names []string
	// MinTLS and CipherSuites bound TLS, as numbers of crypto/tls.
	MinTLS       uint16
	CipherSuites []uint16
}

// config reads the files as they are now. Connections are few and long, so
// that each reads them.
func (f Files) config() (*tls.Config, error) {
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("reading whom to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", f.CA)
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("reading our certificate: %w", err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: f.MinTLS, CipherSuites: f.CipherSuites, NextProtos: []string{"h2"},
		VerifyConnection: f.knows,
	}, nil
}

var errStranger = errors.New("the peer's certificate is from our authority, but is none of our roles'")

// knows refuses certificates that the same authority, which may sign for
// others too, gave to somebody else.
func (f Files) knows(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errStranger
	}
	leaf := s.PeerCertificates[0]
	if !slices.ContainsFunc(f.Names, func(n string) bool { return leaf.VerifyHostname(n) == nil }) {
		return errStranger
	}
	return nil
}

// Credentials are mutual TLS with the files as they are at each handshake.
// serverName is whom a client expects; unused by servers.
func Credentials(f Files, serverName string) credentials.TransportCredentials {
	return &reloading{files: f, serverName: serverName}
}

type reloading struct {
	files      Files
	serverName string
}

func (r *reloading) ClientHandshake(ctx context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, err := r.files.config()
	if err != nil {
		return nil, nil, err
	}
	c.ServerName = r.serverName
	return credentials.NewTLS(c).ClientHandshake(ctx, r.serverName, conn)
}

func (r *reloading) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, err := r.files.config()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(c).ServerHandshake(conn)
}

func (r *reloading) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (r *reloading) Clone() credentials.TransportCredentials {
	c := *r
	return &c
}

// OverrideServerName is deprecated in gRPC and refused here.
func (r *reloading) OverrideServerName(string) error {
	return errors.New("the server's name is given to Credentials")
}
