package jobservice

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/reelmill/reelmill/pkg/chassis/env"
)

// wantOrigin is what an entry of Config.CORSOrigins must be.
const wantOrigin = "scheme://host[:port], or * for all"

// CheckOrigin returns why no page can have the origin, nil where one can, and for "*", which means every origin.
// Case does not matter.
func CheckOrigin(origin string) error {
	if flaw := originFlaw(origin); flaw != "" {
		return fmt.Errorf("want %s, got %q: %s", wantOrigin, origin, flaw)
	}
	return nil
}

// checkOrigins reports every origin that no page can have.
func checkOrigins(variable string, origins []string) error {
	var errs []error
	for _, o := range origins {
		if flaw := originFlaw(o); flaw != "" {
			errs = append(errs, env.Invalid(variable, wantOrigin+" ("+flaw+")", o))
		}
	}
	return errors.Join(errs...)
}

// defaultPorts are those that browsers leave out of an origin (HTML Standard, "serialization of an origin").
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// originFlaw says what is wrong with an origin, in the form in which browsers send it (RFC 6454); it is empty
// where nothing is.
func originFlaw(origin string) string {
	if origin == "*" {
		return ""
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Hostname() == "" {
		return "there is no scheme or no host"
	}
	port, err := strconv.Atoi(u.Port())
	switch {
	case !strings.EqualFold(origin, u.Scheme+"://"+u.Host):
		return "nothing may stand before the host or after the port, not even a slash"
	case strings.Contains(u.Host, "*"):
		return "a * stands alone or not at all"
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' }):
		return "browsers send names in other than ASCII letters as xn--..."
	case u.Port() == "" && strings.HasSuffix(u.Host, ":"), u.Port() != "" && (err != nil || port < 1 || port > 65535):
		return "the port is none"
	case u.Port() != "" && u.Port() == defaultPorts[u.Scheme]:
		return "browsers leave out port " + u.Port() + " of " + u.Scheme
	}
	return ""
}
