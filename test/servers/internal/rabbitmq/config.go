package rabbitmq

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/reelmill/reelmill/test/servers/internal/child"
	"github.com/reelmill/reelmill/test/servers/internal/ports"
)

func (n *Node) dataDir() string         { return filepath.Join(n.cfg.Dir, "mnesia") }
func (n *Node) file(name string) string { return filepath.Join(n.cfg.Dir, name) }

// writeConfig makes the node's folders and configuration files.
func (n *Node) writeConfig() error {
	for _, dir := range []string{n.dataDir(), n.file("home"), n.file("log")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("make a folder of RabbitMQ: %w", err)
		}
	}
	conf := fmt.Sprintf(`listeners.tcp.default = %s
consumer_timeout = %d
vm_memory_high_watermark.relative = %s
disk_free_limit.absolute = 50MB
log.file = false
log.console = true
log.console.level = info
`, ports.Loopback(n.nodePort), ConsumerTimeout.Milliseconds(), memoryWatermark)
	files := map[string]string{
		"rabbitmq.conf":   conf,
		"advanced.config": fmt.Sprintf("[{rabbit, [{channel_tick_interval, %d}]}].\n", channelTick.Milliseconds()),
		"enabled_plugins": "[].\n",
	}
	for name, content := range files {
		if err := os.WriteFile(n.file(name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("write RabbitMQ's configuration: %w", err)
		}
	}
	return nil
}

// command describes a program of RabbitMQ; both the server and rabbitmqctl need the whole environment.
func (n *Node) command(program string, args ...string) child.Command {
	return child.Command{
		Path: filepath.Join(binaries, program), Args: args, Env: n.environment(), Dir: n.cfg.Dir,
		Stdout: n.cfg.Log, Stderr: n.cfg.Log,
	}
}

func (n *Node) environment() []string {
	const loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
	return []string{
		"PATH=" + n.cfg.Path,
		"LANG=C.UTF-8",
		"HOME=" + n.file("home"), // the Erlang cookie is made here, so nodes do not mix
		"ERL_EPMD_PORT=" + strconv.Itoa(n.epmdPort),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP_SECONDS=0",
		"RABBITMQ_NODENAME=reelmill@localhost",
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT=" + strconv.Itoa(n.nodePort),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(n.distPort),
		"RABBITMQ_MNESIA_BASE=" + n.dataDir(),
		"RABBITMQ_LOG_BASE=" + n.file("log"),
		"RABBITMQ_PID_FILE=" + n.file("rabbit.pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + n.file("enabled_plugins"),
		"RABBITMQ_CONFIG_FILE=" + n.file("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + n.file("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		// The schedulers' busy waiting takes CPU from the tests. A table sized for the open file limit of a container,
		// often a billion, would take gigabytes.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none +Q 65536 " + loopback,
		"RABBITMQ_CTL_ERL_ARGS=" + loopback,
		// Lets the server's script become the Erlang VM instead of its parent, so that signals, the one of our own
		// death included, meet the VM.
		"RUNNING_UNDER_SYSTEMD=true",
	}
}
