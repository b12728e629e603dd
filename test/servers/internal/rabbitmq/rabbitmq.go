// Package rabbitmq runs a private RabbitMQ node from Debian's package rabbitmq-server: own port mapper, cookie, data
// and log, all on loopback, as whatever user this program runs as.
package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/reelmill/reelmill/test/servers/internal/child"
	"github.com/reelmill/reelmill/test/servers/internal/ports"
)

const (
	// binaries holds Debian's scripts. Those in /usr/sbin switch to user rabbitmq and its folders instead.
	binaries = "/usr/lib/rabbitmq/bin"

	// ConsumerTimeout is how long a delivery may stay unacknowledged before the broker closes the channel. In
	// production it is half an hour; here it is short, so that a test notices a message that is held too long.
	ConsumerTimeout = 5 * time.Second

	// channelTick is how often the broker looks for such deliveries, once a minute by default.
	channelTick = time.Second

	// memoryWatermark is the default share of the machine's memory at which publishers are blocked.
	memoryWatermark = "0.4"
	// alarmWatermark is below what any node uses.
	alarmWatermark = "0.0000001"

	stopGrace    = 20 * time.Second
	probeTimeout = 5 * time.Second
)

// Config places a node.
type Config struct {
	Dir  string   // an existing folder of its own
	Log  *os.File // everything that the node prints
	Path string   // $PATH of its processes
}

// Node is a RabbitMQ node that can be killed, as by a power cut, and started again with the same address and data. PID and
// Crashed may be called at any time, the other methods by one goroutine at a time.
type Node struct {
	cfg        Config
	spawner    *child.Spawner
	nodePort   int
	distPort   int
	epmdPort   int
	epmd       child.Slot
	child.Slot // the Erlang VM
}

// New prepares a node in cfg.Dir without starting anything. It returns an error that names the package to install if
// RabbitMQ is not on this machine.
func New(cfg Config, spawner *child.Spawner, claims *ports.Claims) (*Node, error) {
	if _, err := os.Stat(filepath.Join(binaries, "rabbitmq-server")); err != nil {
		return nil, fmt.Errorf("find RabbitMQ (Debian package rabbitmq-server): %w", err)
	}
	n := &Node{cfg: cfg, spawner: spawner}
	for _, port := range []*int{&n.nodePort, &n.distPort, &n.epmdPort} {
		p, err := claims.Claim()
		if err != nil {
			return nil, err
		}
		*port = p
	}
	if err := n.writeConfig(); err != nil {
		return nil, err
	}
	return n, nil
}

// Name returns the name of the server in messages and in the control API.
func (n *Node) Name() string { return "rabbitmq" }

// URI returns the address for AMQP clients, with credentials. It stays the same for the life of n.
func (n *Node) URI() string { return "amqp://guest:guest@" + ports.Loopback(n.nodePort) + "/" }

// Start starts the node, unless it runs, and waits until it accepts clients and declares a queue, or until ctx ends.
func (n *Node) Start(ctx context.Context) error {
	if n.epmd.PID() == 0 {
		if err := n.startEpmd(ctx); err != nil {
			return err
		}
	}
	if n.PID() == 0 {
		server, err := n.spawner.Start(n.command("rabbitmq-server"))
		if err != nil {
			return err
		}
		n.Put(server)
	}
	if err := n.Process().Await(ctx, n.probe); err != nil {
		return fmt.Errorf("wait for RabbitMQ at %s: %w", ports.Loopback(n.nodePort), err)
	}
	return nil
}

// startEpmd starts the port mapper in the foreground. The node would start one by itself, as a daemon that nobody owns.
func (n *Node) startEpmd(ctx context.Context) error {
	path, err := exec.LookPath("epmd")
	if err != nil {
		return fmt.Errorf("find Erlang's port mapper (Debian package erlang-base): %w", err)
	}
	epmd, err := n.spawner.Start(child.Command{Path: path, Env: n.environment(), Dir: n.cfg.Dir, Stdout: n.cfg.Log, Stderr: n.cfg.Log})
	if err != nil {
		return err
	}
	n.epmd.Put(epmd)
	if err := epmd.Await(ctx, child.Listening(ports.Loopback(n.epmdPort))); err != nil {
		return fmt.Errorf("wait for Erlang's port mapper at %s: %w", ports.Loopback(n.epmdPort), err)
	}
	return nil
}

// probe does what the simplest client does: connect, open a channel, declare a queue.
func (n *Node) probe(context.Context) (err error) {
	conn, err := amqp.DialConfig(n.URI(), amqp.Config{Dial: amqp.DefaultDial(probeTimeout)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	_, err = ch.QueueDeclare("", false, true, true, false, nil)
	return err
}

// Stop ends the node, first gently, and its port mapper.
func (n *Node) Stop() {
	n.Slot.Stop(syscall.SIGTERM, stopGrace)
	n.epmd.Kill()
}

// Wipe kills the node, deletes its data and starts it empty.
func (n *Node) Wipe(ctx context.Context) error {
	n.Kill()
	if err := os.RemoveAll(n.dataDir()); err != nil {
		return fmt.Errorf("delete RabbitMQ's data: %w", err)
	}
	if err := os.Mkdir(n.dataDir(), 0o700); err != nil {
		return fmt.Errorf("make RabbitMQ's data folder: %w", err)
	}
	return n.Start(ctx)
}

// CloseConnections makes the node close every client's connection.
func (n *Node) CloseConnections(ctx context.Context) error {
	return n.ctl(ctx, "close_all_connections", "closed by a test")
}

// SaveQueues returns when the node's list of its quorum queues is on disk. RabbitMQ 3.10 writes it half a second after the
// last change only: killed earlier it comes back with a queue that never elects a leader and has lost its messages.
func (n *Node) SaveQueues(ctx context.Context) error {
	return n.ctl(ctx, "eval", "[ok = dets:sync(Table) || Table <- dets:all()].")
}

// SetMemoryAlarm raises or clears the memory alarm, which blocks every publishing connection. A restart clears it.
func (n *Node) SetMemoryAlarm(ctx context.Context, on bool) error {
	watermark := memoryWatermark
	if on {
		watermark = alarmWatermark
	}
	return n.ctl(ctx, "set_vm_memory_high_watermark", watermark)
}

// ctl runs rabbitmqctl and returns an error with what it printed if it fails.
func (n *Node) ctl(ctx context.Context, args ...string) error {
	if n.PID() == 0 {
		return fmt.Errorf("rabbitmqctl %s: the node is down", args[0])
	}
	var out bytes.Buffer
	cmd := n.command("rabbitmqctl", append([]string{"--quiet"}, args...)...)
	cmd.Stdout = io.MultiWriter(&out, n.cfg.Log)
	cmd.Stderr = cmd.Stdout // the same writer for both: os/exec then never writes to it from two goroutines
	p, err := n.spawner.Start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.Ended():
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("rabbitmqctl %s: %w", args[0], context.Cause(ctx))
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("rabbitmqctl %s: %w: %s", args[0], err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}
