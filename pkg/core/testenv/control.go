package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// Server is a server that tests can control.
type Server string

// The servers that can be controlled. ServerMongo cannot when it is a MongoDB from elsewhere.
const (
	ServerRabbitMQ Server = "rabbitmq"
	ServerMongo    Server = "mongo"
	ServerS3       Server = "s3"
)

// ErrNotControlled is returned by the methods of Controller for a server that was not started by testservers, or not
// named in the call of Control.
var ErrNotControlled = errors.New("the server is not under this test's control")

const (
	// callTimeout is for requests that are answered at once.
	callTimeout = 30 * time.Second
	// restoreTimeout is how long it may take to bring a server up again after a test. testservers gives up earlier.
	restoreTimeout = 5 * time.Minute
)

// Controller kills, starts and disturbs servers. A started server has the address that it had before, and its data
// unless it was wiped. Its methods may be called concurrently and are carried out one after the other; an error holds
// the last lines of the server's log.
type Controller struct {
	url     string
	servers []Server

	mu      sync.Mutex
	down    map[Server]bool // killed, and not started since
	alarmed bool
}

// Control returns control over the servers, over all if none is named. It waits until no other test program uses them,
// and keeps the others waiting until t ends; then it brings up again what the test left down. Call it before AMQP, Mongo
// or S3 and before connecting: a test that already uses a server has to let go of it to get control. Tests of the same
// program are not kept apart, so do not let them run in parallel with one that calls Control.
func Control(t testing.TB, servers ...Server) *Controller {
	t.Helper()
	c := &Controller{url: require(t, envControl), servers: servers, down: map[Server]bool{}}
	if len(servers) == 0 {
		c.servers = []Server{ServerMongo, ServerRabbitMQ, ServerS3}
	}
	// Everyone takes them in the same order, so that two tests that want two servers do not wait for each other.
	c.servers = slices.Sorted(slices.Values(c.servers))
	c.servers = slices.Compact(c.servers)
	for _, server := range c.servers {
		own(t, server)
	}
	t.Cleanup(func() {
		// The context of t has ended.
		ctx, cancel := context.WithTimeout(context.Background(), restoreTimeout)
		defer cancel()
		if err := c.restore(ctx); err != nil {
			t.Errorf("bring the servers up again: %v", err)
		}
	})
	return c
}

// KillRabbitMQ ends the node by SIGKILL.
func (c *Controller) KillRabbitMQ(ctx context.Context) error { return c.kill(ctx, ServerRabbitMQ) }

// StartRabbitMQ starts the node and returns when it accepts clients.
func (c *Controller) StartRabbitMQ(ctx context.Context) error { return c.start(ctx, ServerRabbitMQ) }

// RestartRabbitMQ stops the node in good order, so that it says goodbye to its clients, and starts it.
func (c *Controller) RestartRabbitMQ(ctx context.Context) error {
	return c.renewRabbitMQ(ctx, "restart")
}

// WipeRabbitMQ kills the node, deletes its data and starts it empty.
func (c *Controller) WipeRabbitMQ(ctx context.Context) error { return c.renewRabbitMQ(ctx, "wipe") }

// CloseConnections makes the node close every client's connection.
func (c *Controller) CloseConnections(ctx context.Context) error {
	return c.post(ctx, ServerRabbitMQ, "close-connections")
}

// SaveQueues returns when RabbitMQ has on disk which queues there are. RabbitMQ 3.10 loses a queue that was declared
// half a second before it is killed, with all its messages; a test that is not about that saves first.
func (c *Controller) SaveQueues(ctx context.Context) error {
	return c.post(ctx, ServerRabbitMQ, "save-queues")
}

// SetMemoryAlarm raises or clears RabbitMQ's memory alarm, during which it blocks connections that publish.
func (c *Controller) SetMemoryAlarm(ctx context.Context, on bool) error {
	action := "alarm/clear"
	if on {
		action = "alarm/set"
	}
	err := c.post(ctx, ServerRabbitMQ, action)
	if on && !errors.Is(err, ErrNotControlled) {
		c.note(func() { c.alarmed = true })
	}
	if !on && err == nil {
		c.note(func() { c.alarmed = false })
	}
	return err
}

// KillMongo ends the database server by SIGKILL.
func (c *Controller) KillMongo(ctx context.Context) error { return c.kill(ctx, ServerMongo) }

// StartMongo starts the database server and returns when it answers.
func (c *Controller) StartMongo(ctx context.Context) error { return c.start(ctx, ServerMongo) }

// KillS3 ends the S3 server by SIGKILL.
func (c *Controller) KillS3(ctx context.Context) error { return c.kill(ctx, ServerS3) }

// StartS3 starts the S3 server and returns when it answers.
func (c *Controller) StartS3(ctx context.Context) error { return c.start(ctx, ServerS3) }

func (c *Controller) kill(ctx context.Context, server Server) error {
	err := c.post(ctx, server, "kill")
	if !errors.Is(err, ErrNotControlled) { // after any other error it may be up or down
		c.note(func() { c.down[server] = true })
	}
	return err
}

// renewRabbitMQ carries out an action that stops the node and starts it.
func (c *Controller) renewRabbitMQ(ctx context.Context, action string) error {
	err := c.post(ctx, ServerRabbitMQ, action)
	switch {
	case err == nil:
		c.note(func() { c.down[ServerRabbitMQ], c.alarmed = false, false })
	case !errors.Is(err, ErrNotControlled):
		c.note(func() { c.down[ServerRabbitMQ] = true })
	}
	return err
}

func (c *Controller) start(ctx context.Context, server Server) error {
	if err := c.post(ctx, server, "start"); err != nil {
		return err
	}
	c.note(func() { c.down[server] = false })
	return nil
}

// restore starts what is down and clears the alarm.
func (c *Controller) restore(ctx context.Context) error {
	c.mu.Lock()
	var down []Server
	for _, server := range c.servers {
		if c.down[server] {
			down = append(down, server)
		}
	}
	alarmed := c.alarmed
	c.mu.Unlock()
	var err error
	for _, server := range down {
		err = errors.Join(err, c.start(ctx, server))
	}
	if alarmed {
		err = errors.Join(err, c.SetMemoryAlarm(ctx, false))
	}
	return err
}

func (c *Controller) note(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// post carries out one action on a server.
func (c *Controller) post(ctx context.Context, server Server, action string) error {
	if !slices.Contains(c.servers, server) {
		return fmt.Errorf("%s %s: %w", server, action, ErrNotControlled)
	}
	status, body, err := call(ctx, http.MethodPost, c.url+"/"+string(server)+"/"+action, nil)
	if err != nil {
		return fmt.Errorf("%s %s: %w", server, action, err)
	}
	switch status {
	case http.StatusNoContent:
		return nil
	case http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", server, action, ErrNotControlled)
	}
	var failure struct {
		Error   string `json:"error"`
		LogTail string `json:"log_tail"`
	}
	if err := json.Unmarshal(body, &failure); err != nil {
		return fmt.Errorf("%s %s: status %d: %q", server, action, status, body)
	}
	return fmt.Errorf("%s\n%s", failure.Error, failure.LogTail)
}

// maxBody is far above what the servers' APIs answer.
const maxBody = 1 << 20

// call sends one request on a connection of its own, so that no goroutine is left, and returns the answer.
func call(ctx context.Context, method, url string, body io.Reader) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, nil, err
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return 0, nil, fmt.Errorf("%s %s: read the answer: %w", method, url, err)
	}
	return response.StatusCode, answer, nil
}
