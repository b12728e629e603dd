package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// Toxiproxy returns the URL of Toxiproxy's HTTP API. NewProxy is the way to use it.
func Toxiproxy(t testing.TB) string {
	t.Helper()
	return require(t, envToxiproxy)
}

// Direction of the data that a toxic acts on, seen from the client.
type Direction string

// The directions.
const (
	Upstream   Direction = "upstream"   // from the client to the server
	Downstream Direction = "downstream" // from the server to the client
)

// Toxic disturbs the connections through a proxy, those that exist and new ones. The types and their attributes are
// Toxiproxy's: latency (latency and jitter in ms), bandwidth (rate in KB/s), slow_close (delay in ms), timeout (timeout
// in ms, 0 for a black hole), reset_peer (timeout in ms), slicer (average_size, size_variation in bytes, delay in µs),
// limit_data (bytes).
type Toxic struct {
	Name       string         `json:"name,omitempty"` // empty: type_direction
	Type       string         `json:"type"`
	Stream     Direction      `json:"stream,omitempty"`   // empty: downstream
	Toxicity   float64        `json:"toxicity,omitempty"` // share of the connections, in (0, 1]; 0: all
	Attributes map[string]any `json:"attributes,omitempty"`
}

// Proxy forwards connections to one server, with the disturbances that a test adds. Its methods may be called
// concurrently.
type Proxy struct {
	// Addr is where clients connect, host:port. It stays the same for the life of the proxy.
	Addr string

	url string // of the proxy in the API
}

// NewProxy makes a proxy of connections to upstream, an address host:port, that exists until t ends. name is for
// Toxiproxy's log and needs not be unique.
func NewProxy(t testing.TB, name, upstream string) *Proxy {
	t.Helper()
	api := Toxiproxy(t) + "/proxies"
	var made struct {
		Name   string `json:"name"`
		Listen string `json:"listen"`
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var err error
	for range proxyAttempts {
		err = exchange(ctx, http.MethodPost, api, map[string]any{
			"name": UniqueName(t, name), "listen": randomAddress(), "upstream": upstream, "enabled": true,
		}, &made)
		if err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("make a proxy to %s: %v", upstream, err)
	}
	p := &Proxy{Addr: made.Listen, url: api + "/" + made.Name}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout) // that of t has ended
		defer cancel()
		if err := exchange(ctx, http.MethodDelete, p.url, nil, nil); err != nil {
			t.Errorf("delete the proxy to %s: %v", upstream, err)
		}
	})
	return p
}

// proxyAttempts is how many ports are tried.
const proxyAttempts = 20

// randomAddress returns an address of this machine below the ports that Linux gives to outgoing connections (32768 and
// up), one of which could take it while the proxy is disabled.
func randomAddress() string {
	const first, end = 10240, 32768
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(end-first)))
}

// AddToxic starts a disturbance. Two of a proxy cannot have the same name.
func (p *Proxy) AddToxic(ctx context.Context, toxic Toxic) error {
	if err := exchange(ctx, http.MethodPost, p.url+"/toxics", toxic, nil); err != nil {
		return fmt.Errorf("add toxic %s: %w", toxic.Type, err)
	}
	return nil
}

// RemoveToxics ends all disturbances; connections that survived them go on.
func (p *Proxy) RemoveToxics(ctx context.Context) error {
	var toxics []Toxic
	if err := exchange(ctx, http.MethodGet, p.url+"/toxics", nil, &toxics); err != nil {
		return fmt.Errorf("list toxics: %w", err)
	}
	for _, toxic := range toxics {
		if err := exchange(ctx, http.MethodDelete, p.url+"/toxics/"+toxic.Name, nil, nil); err != nil {
			return fmt.Errorf("remove toxic %s: %w", toxic.Name, err)
		}
	}
	return nil
}

// Disable cuts every connection and refuses new ones, as if the server were down.
func (p *Proxy) Disable(ctx context.Context) error { return p.enable(ctx, false) }

// Enable accepts connections again.
func (p *Proxy) Enable(ctx context.Context) error { return p.enable(ctx, true) }

func (p *Proxy) enable(ctx context.Context, on bool) error {
	if err := exchange(ctx, http.MethodPost, p.url, map[string]any{"enabled": on}, nil); err != nil {
		return fmt.Errorf("set proxy enabled=%t: %w", on, err)
	}
	return nil
}

// exchange sends a JSON body, unless in is nil, and decodes the answer into out, unless that is nil.
func exchange(ctx context.Context, method, url string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	status, answer, err := call(ctx, method, url, &body)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("%s %s: status %d: %s", method, url, status, bytes.TrimSpace(answer))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	return nil
}
