package duo_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"
)

// swallowing is a connection that a NAT has forgotten once dead is set: what is
// sent vanishes, and no answer and no error comes.
type swallowing struct {
	net.Conn
	dead atomic.Bool
}

func (c *swallowing) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// The open connection dies without a word, while new ones would work: the
// second attempt takes one, also where Duo would speak HTTP/2.
func TestSwallowedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sim := newSim(duosim.Config{}, 1)
		pipes := make(listener)
		lender := httptest.NewTLSServer(nil) // of its certificate
		lender.Close()
		server := &http.Server{Handler: sim, TLSConfig: &tls.Config{Certificates: lender.TLS.Certificates}}
		go server.ServeTLS(pipes, "", "")
		t.Cleanup(func() { server.Close() })

		client := newClient(t, duo.Config{URL: "https://127.0.0.1"})
		roots := x509.NewCertPool()
		roots.AddCert(lender.Certificate())
		client.Transport().TLSClientConfig.RootCAs = roots
		var dialled []*swallowing
		client.Transport().DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			pipes <- theirs
			dialled = append(dialled, &swallowing{Conn: ours})
			return dialled[len(dialled)-1], nil
		}

		if _, err := read(t.Context(), client.Session(telephony, 0), lastDay()); err != nil {
			t.Fatalf("with a connection that works: %v", err)
		}
		dialled[0].dead.Store(true)
		session := client.Session(telephony, 0)
		got, err := read(t.Context(), session, lastDay())
		if err != nil || len(got) != 1 || session.Stats().Requests != 2 || len(dialled) != 2 {
			t.Errorf("%d records, %v, %d attempts, %d connections; want the record at the second attempt, by a second connection",
				len(got), err, session.Stats().Requests, len(dialled))
		}
	})
}
