package ports_test

import (
	"net"
	"testing"

	"github.com/reelmill/reelmill/test/servers/internal/ports"
)

func TestClaimedPortsAreFreeAndBelongToOneCaller(t *testing.T) {
	var first, second ports.Claims
	defer first.Release()
	defer second.Release()
	seen := map[int]bool{}
	for range 100 {
		for _, claims := range []*ports.Claims{&first, &second} {
			port, err := claims.Claim()
			if err != nil {
				t.Fatal(err)
			}
			if seen[port] {
				t.Fatalf("port %d was handed out twice", port)
			}
			seen[port] = true
		}
	}
	for port := range seen {
		ln, err := net.Listen("tcp", ports.Loopback(port))
		if err != nil {
			t.Fatalf("a claimed port is not free: %v", err)
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReleasedPortsCanBeClaimedAgain(t *testing.T) {
	var claims ports.Claims
	port, err := claims.Claim()
	if err != nil {
		t.Fatal(err)
	}
	name := ports.ClaimName(port)
	if ln, err := net.Listen("unix", name); err == nil {
		t.Errorf("%s is not in use while claimed (%v)", name, ln.Close())
	}
	claims.Release()
	ln, err := net.Listen("unix", name)
	if err != nil {
		t.Fatalf("after Release: %v", err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
}
