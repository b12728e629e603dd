package rabbit

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/pkg/messaging"
)

// TopologyMode says what a client does about its topology at every connect.
type TopologyMode string

// The modes. Verify is for sites whose users may not configure the broker: it only looks whether exchanges
// and queues exist (bindings and arguments cannot be looked at). Off trusts whoever made them.
const (
	TopologyDeclare TopologyMode = "declare"
	TopologyVerify  TopologyMode = "verify"
	TopologyOff     TopologyMode = "off"
)

// Config says how to reach the broker. Zero values mean the defaults that stand in the tags.
type Config struct {
	// URLs are the AMQP URIs of the nodes, tried in turn. They hold credentials: they are never logged and
	// stand in no error.
	URLs []string `env:"URLS,required" envSeparator:"," secret:"true" doc:"AMQP URIs of RabbitMQ's nodes, tried in turn (amqp:// or amqps://)."`
	// Topology is what exists, or is made, at the broker. Queues and exchanges that it does not name are
	// refused: publishing to an exchange that is not there would cost all others their channel.
	Topology     messaging.Topology
	TopologyMode TopologyMode `env:"TOPOLOGY" envDefault:"declare" doc:"What is done about exchanges and queues at every connect: declare, verify or off."`
	// Service and Instance name the connections at the broker: service/instance/role.
	Service  string
	Instance string

	Heartbeat      time.Duration `env:"HEARTBEAT" envDefault:"10s" doc:"Interval of heartbeats; a connection that is silent for three of them is dead. Below 5s a busy machine looks dead."`
	DialTimeout    time.Duration `env:"DIAL_TIMEOUT" envDefault:"15s" doc:"Limit of connecting to one node, handshake included."`
	WriteTimeout   time.Duration `env:"WRITE_TIMEOUT" envDefault:"15s" doc:"Limit of one write to a connection: a broker that reads nothing costs the connection, not the caller."`
	CallTimeout    time.Duration `env:"CALL_TIMEOUT" envDefault:"15s" doc:"Limit of one request to the broker (declare, consume, cancel)."`
	ConfirmTimeout time.Duration `env:"CONFIRM_TIMEOUT" envDefault:"30s" doc:"How long a publish waits for the broker's confirm."`
	PublishWait    time.Duration `env:"PUBLISH_WAIT" envDefault:"5s" doc:"How long a publish waits for a connection that takes messages."`
	DrainTimeout   time.Duration `env:"DRAIN_TIMEOUT" envDefault:"5s" doc:"How long outstanding confirms are waited for at shutdown."`
	WatchInterval  time.Duration `env:"WATCH_INTERVAL" envDefault:"30s" doc:"Interval at which consumers are compared with what the broker knows of them."`
	// Window is how many messages may be unconfirmed at a time.
	Window int `env:"WINDOW" envDefault:"256" doc:"Messages that may be unconfirmed at a time (1 to 4096)."`

	// TLS is used for amqps URIs; nil means the system's roots.
	TLS *tls.Config
	// Log gets what happens to connections and consumers; nil discards it.
	Log *slog.Logger
	// Observer counts; its functions may be nil.
	Observer Observer
}

const (
	defaultWindow = 256
	maxWindow     = 4096
)

// withDefaults returns c with zero values replaced.
func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&c.Heartbeat, 10 * time.Second}, {&c.DialTimeout, 15 * time.Second}, {&c.WriteTimeout, 15 * time.Second},
		{&c.CallTimeout, 15 * time.Second}, {&c.ConfirmTimeout, 30 * time.Second}, {&c.PublishWait, 5 * time.Second},
		{&c.DrainTimeout, 5 * time.Second}, {&c.WatchInterval, 30 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	if c.TopologyMode == "" {
		c.TopologyMode = TopologyDeclare
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate returns an error that names every problem.
func (c Config) validate() error {
	var errs []error
	if len(c.URLs) == 0 {
		errs = append(errs, errors.New("no URL is given"))
	}
	for i, u := range c.URLs {
		if err := checkURL(u); err != nil {
			errs = append(errs, fmt.Errorf("URL %d: %w", i+1, err))
		}
	}
	if c.Service == "" || c.Instance == "" {
		errs = append(errs, errors.New("service and instance must be named"))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"heartbeat", c.Heartbeat}, {"dial time-out", c.DialTimeout}, {"write time-out", c.WriteTimeout},
		{"call time-out", c.CallTimeout}, {"confirm time-out", c.ConfirmTimeout}, {"publish wait", c.PublishWait},
		{"drain time-out", c.DrainTimeout}, {"watch interval", c.WatchInterval},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %v, want more than 0", d.name, d.value))
		}
	}
	if c.Window < 1 || c.Window > maxWindow {
		errs = append(errs, fmt.Errorf("window is %d, want 1 to %d", c.Window, maxWindow))
	}
	switch c.TopologyMode {
	case TopologyDeclare, TopologyVerify, TopologyOff:
	default:
		errs = append(errs, fmt.Errorf("topology mode is %q, want declare, verify or off", c.TopologyMode))
	}
	errs = append(errs, c.Topology.Validate())
	return errors.Join(errs...)
}

// checkURL parses an AMQP URI. Its error does not show the URI, which holds a password.
func checkURL(u string) error {
	_, err := amqp.ParseURI(u)
	if _, quotes := errors.AsType[*url.Error](err); quotes {
		// Its causes may quote a part of the URI, too: neither is shown.
		return errors.New("not a valid URI (reserved characters in user name and password must be percent-encoded)")
	}
	return err
}
