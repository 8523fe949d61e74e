// go_peer is the other implementation in the interoperation tests: containerd's own ttrpc for Go
// (Debian's golang-github-containerd-ttrpc-dev), as a client of our server and as a server for our
// client. The messages are tagged by hand, so that nothing of ours generates both ends.
//
//	go_peer client ADDRESS   calls the test service there; prints "ok - name" or "not ok - name"
//	go_peer agent ADDRESS    the same for a few methods of the real agent
//	go_peer server ADDRESS   serves it; prints "listening"; ends when its standard input does
//
// ADDRESS is unix://PATH. The service is described in tests/lib/echo_service.h.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const service = "test.Echo"

// Numbers from wire.md sections 6 and 9.

type CheckRequest struct {
	Service string `protobuf:"bytes,1,opt,name=service,proto3"`
}

type VersionCheckResponse struct {
	GrpcVersion  string `protobuf:"bytes,1,opt,name=grpc_version,proto3"`
	AgentVersion string `protobuf:"bytes,2,opt,name=agent_version,proto3"`
}

type HealthCheckResponse struct {
	Status int32 `protobuf:"varint,1,opt,name=status,proto3"`
}

type WriteStreamRequest struct {
	ContainerId string `protobuf:"bytes,1,opt,name=container_id,proto3"`
	ExecId      string `protobuf:"bytes,2,opt,name=exec_id,proto3"`
	Data        []byte `protobuf:"bytes,3,opt,name=data,proto3"`
}

type ReadStreamRequest struct {
	ContainerId string `protobuf:"bytes,1,opt,name=container_id,proto3"`
	ExecId      string `protobuf:"bytes,2,opt,name=exec_id,proto3"`
	Len         uint32 `protobuf:"varint,3,opt,name=len,proto3"`
}

type ReadStreamResponse struct {
	Data []byte `protobuf:"bytes,1,opt,name=data,proto3"`
}

// WrongRequest has a number where CheckRequest has its text.
type WrongRequest struct {
	Number uint32 `protobuf:"varint,1,opt,name=number,proto3"`
}

type Empty struct{}

func (m *CheckRequest) Reset()                 { *m = CheckRequest{} }
func (m *CheckRequest) String() string         { return fmt.Sprintf("%+v", *m) }
func (m *CheckRequest) ProtoMessage()          {}
func (m *VersionCheckResponse) Reset()         { *m = VersionCheckResponse{} }
func (m *VersionCheckResponse) String() string { return fmt.Sprintf("%+v", *m) }
func (m *VersionCheckResponse) ProtoMessage()  {}
func (m *HealthCheckResponse) Reset()          { *m = HealthCheckResponse{} }
func (m *HealthCheckResponse) String() string  { return fmt.Sprintf("%+v", *m) }
func (m *HealthCheckResponse) ProtoMessage()   {}
func (m *WriteStreamRequest) Reset()           { *m = WriteStreamRequest{} }
func (m *WriteStreamRequest) String() string   { return fmt.Sprintf("%d bytes", len(m.Data)) }
func (m *WriteStreamRequest) ProtoMessage()    {}
func (m *ReadStreamRequest) Reset()            { *m = ReadStreamRequest{} }
func (m *ReadStreamRequest) String() string    { return fmt.Sprintf("%+v", *m) }
func (m *ReadStreamRequest) ProtoMessage()     {}
func (m *ReadStreamResponse) Reset()           { *m = ReadStreamResponse{} }
func (m *ReadStreamResponse) String() string   { return fmt.Sprintf("%d bytes", len(m.Data)) }
func (m *ReadStreamResponse) ProtoMessage()    {}
func (m *WrongRequest) Reset()                 { *m = WrongRequest{} }
func (m *WrongRequest) String() string         { return fmt.Sprintf("%+v", *m) }
func (m *WrongRequest) ProtoMessage()          {}
func (m *Empty) Reset()                        { *m = Empty{} }
func (m *Empty) String() string                { return "" }
func (m *Empty) ProtoMessage()                 {}

func pattern(n uint32) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i % 251)
	}
	return data
}

// ---- as a client of our server -----------------------------------------------------------------

type tester struct {
	path   string
	client *ttrpc.Client
	failed bool
}

func (t *tester) dial() *ttrpc.Client {
	conn, err := net.Dial("unix", t.path)
	if err != nil {
		fmt.Fprintf(os.Stderr, "go_peer: %v\n", err)
		os.Exit(1)
	}
	return ttrpc.NewClient(conn)
}

func (t *tester) check(name string, err error) {
	if err != nil {
		fmt.Printf("not ok - go client: %s\n# %v\n", name, err)
		t.failed = true
		return
	}
	fmt.Printf("ok - go client: %s\n", name)
}

func text(c *ttrpc.Client, ctx context.Context, method, text string) (string, error) {
	var resp VersionCheckResponse
	err := c.Call(ctx, service, method, &CheckRequest{Service: text}, &resp)
	return resp.GrpcVersion, err
}

func expectText(c *ttrpc.Client, ctx context.Context, method, arg, expected string) error {
	got, err := text(c, ctx, method, arg)
	if err == nil && got != expected {
		err = fmt.Errorf("%s(%q): got %q, expected %q", method, arg, got, expected)
	}
	return err
}

func expectStatus(err error, code codes.Code, message string) error {
	st, ok := status.FromError(err)
	if err == nil || !ok || st.Code() != code || st.Message() != message {
		return fmt.Errorf("got %v, expected code %d %q", err, code, message)
	}
	return nil
}

// all runs f(0..n-1) at once and returns the first error.
func all(n int, f func(i int) error) error {
	errs := make(chan error, n)
	for i := 0; i < n; i++ {
		go func(i int) { errs <- f(i) }(i)
	}
	var first error
	for i := 0; i < n; i++ {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (t *tester) simpleCalls() {
	ctx := context.Background()
	var health HealthCheckResponse
	var empty Empty

	t.check("text comes back", expectText(t.client, ctx, "Version", "hällo", "hällo"))
	err := t.client.Call(ctx, service, "Check", &CheckRequest{}, &health)
	if err == nil && health.Status != 1 {
		err = fmt.Errorf("status %d", health.Status)
	}
	t.check("an enum comes back", err)
	t.check("an empty reply", t.client.Call(ctx, service, "Empty", &CheckRequest{}, &empty))
}

func (t *tester) manyCalls() {
	ctx := context.Background()

	t.check("1000 calls in flight, answered out of order", all(1000, func(i int) error {
		delay := strconv.Itoa((i * 7919) % 200)
		return expectText(t.client, ctx, "Delay", delay, delay)
	}))
	t.check("20 connections with 50 calls each", all(20, func(i int) error {
		client := t.dial()
		defer client.Close()
		return all(50, func(k int) error {
			arg := fmt.Sprintf("connection %d call %d", i, k)
			return expectText(client, ctx, "Version", arg, arg)
		})
	}))
}

func (t *tester) errors() {
	ctx := context.Background()
	var err error

	for code := 1; code <= 16 && err == nil; code++ {
		_, err = text(t.client, ctx, "Fail", strconv.Itoa(code))
		err = expectStatus(err, codes.Code(code), fmt.Sprintf(
			"asked to fail with %d: ENOENT: No such file or directory", code))
	}
	t.check("every status code with its text", err)
	err = t.client.Call(ctx, "no.Service", "Check", &CheckRequest{}, &Empty{})
	t.check("an unknown service", expectStatus(err, 3, "no.Service service does not exist"))
	_, err = text(t.client, ctx, "NoMethod", "")
	t.check("an unknown method", expectStatus(err, 12, "NoMethod method"))
	_, err = text(t.client, ctx, "Absent", "")
	t.check("a method without a handler",
		expectStatus(err, 12, "Absent method is not implemented"))
	err = t.client.Call(ctx, service, "Version", &WrongRequest{Number: 7}, &Empty{})
	if st, ok := status.FromError(err); !ok || st.Code() != codes.Unknown {
		t.check("a payload that does not parse", fmt.Errorf("got %v", err))
	} else {
		t.check("a payload that does not parse", nil)
	}
}

func (t *tester) largeMessages() {
	ctx := context.Background()
	const most = 4<<20 - 64

	t.check("messages of almost 4 MiB both ways, several at once", all(6, func(i int) error {
		data := pattern(most)
		data[i] = 'x'
		var resp ReadStreamResponse
		err := t.client.Call(ctx, service, "Write", &WriteStreamRequest{Data: data}, &resp)
		if err == nil && !bytes.Equal(resp.Data, data) {
			err = errors.New("other bytes came back")
		}
		return err
	}))
	var resp ReadStreamResponse
	err := t.client.Call(ctx, service, "Read", &ReadStreamRequest{Len: 4<<20 - 12}, &resp)
	if err == nil && !bytes.Equal(resp.Data, pattern(4<<20-12)) {
		err = errors.New("other bytes came")
	}
	t.check("the largest response there is", err)
	err = t.client.Call(ctx, service, "Read", &ReadStreamRequest{Len: 4<<20 - 11}, &resp)
	t.check("a response over the limit is replaced", expectStatus(err, 3,
		"response of 4194305 bytes is over the limit of 4194304"))
	err = t.client.Call(ctx, service, "Write", &WriteStreamRequest{Data: pattern(4 << 20)}, &resp)
	t.check("a request over the limit is refused, the connection lives", expectStatus(err, 3,
		"frame of 4194332 bytes is over the limit of 4194304"))
	t.check("and goes on", expectText(t.client, ctx, "Version", "on", "on"))
}

func (t *tester) metadata() {
	md := ttrpc.MD{}
	md.Set("agent-ctl-cfg", "auto-values", "two")
	ctx := ttrpc.WithMetadata(context.Background(), md)
	t.check("metadata", expectText(t.client, ctx, "Metadata", "",
		"agent-ctl-cfg=auto-values,agent-ctl-cfg=two"))
}

// waitCounters asks until the server's counters are these.
func waitCounters(c *ttrpc.Client, expected string) error {
	var got string
	var err error
	for i := 0; i < 500; i++ {
		got, err = text(c, context.Background(), "Counters", "")
		if err != nil || got == expected {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("counters are %q, expected %q", got, expected)
}

func (t *tester) endsOfCalls() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	// Whoever notices first: the client's own clock, or the server's.
	_, err := text(t.client, ctx, "Park", "")
	if errors.Is(err, context.DeadlineExceeded) || expectStatus(err, 4, "timeout") == nil {
		err = waitCounters(t.client, "parked=1 cancelled=1")
	}
	t.check("a deadline is kept by the server too", err)
	other := t.dial()
	go text(other, context.Background(), "Park", "")
	err = waitCounters(t.client, "parked=2 cancelled=1")
	other.Close()
	if err == nil {
		err = waitCounters(t.client, "parked=2 cancelled=2")
	}
	t.check("a client that closes cancels its call", err)
	t.check("the first connection is unharmed",
		expectText(t.client, context.Background(), "Version", "on", "on"))
}

func runClient(path string) {
	t := &tester{path: path}
	t.client = t.dial()
	defer t.client.Close()
	t.simpleCalls()
	t.manyCalls()
	t.errors()
	t.largeMessages()
	t.metadata()
	t.endsOfCalls()
	if t.failed {
		os.Exit(1)
	}
}

// ---- as a client of the agent --------------------------------------------------------------------

type ContainerRequest struct {
	ContainerId string `protobuf:"bytes,1,opt,name=container_id,proto3"`
	ExecId      string `protobuf:"bytes,2,opt,name=exec_id,proto3"`
}

func (m *ContainerRequest) Reset()         { *m = ContainerRequest{} }
func (m *ContainerRequest) String() string { return fmt.Sprintf("%+v", *m) }
func (m *ContainerRequest) ProtoMessage()  {}

const agentService = "grpc.AgentService"

func (t *tester) health() error {
	var health HealthCheckResponse
	err := t.client.Call(context.Background(), "grpc.Health", "Check", &CheckRequest{}, &health)
	if err == nil && health.Status != 1 {
		err = fmt.Errorf("status %d", health.Status)
	}
	return err
}

func expectCode(err error, code codes.Code) error {
	if st, ok := status.FromError(err); err == nil || !ok || st.Code() != code {
		return fmt.Errorf("got %v, expected code %d", err, code)
	}
	return nil
}

func runAgent(path string) {
	var version VersionCheckResponse
	ctx := context.Background()
	t := &tester{path: path}
	t.client = t.dial()
	defer t.client.Close()

	t.check("the agent is healthy", t.health())
	err := t.client.Call(ctx, "grpc.Health", "Version", &CheckRequest{}, &version)
	if err == nil && (version.GrpcVersion != "0.0.1" || version.AgentVersion != "4.1.0") {
		err = fmt.Errorf("got %v", version)
	}
	t.check("the agent's versions", err)

	// A blocked call keeps nobody waiting, and its deadline ends it.
	soon, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	blocked := make(chan error, 1)
	go func() { blocked <- t.client.Call(soon, agentService, "GetOOMEvent", &Empty{}, &Empty{}) }()
	err = all(100, func(int) error { return t.health() })
	select {
	case early := <-blocked:
		err = fmt.Errorf("GetOOMEvent ended early: %v", early)
	default:
	}
	t.check("100 calls are answered beside a blocked one", err)
	err = <-blocked
	if !errors.Is(err, context.DeadlineExceeded) {
		err = expectCode(err, codes.DeadlineExceeded)
	} else {
		err = nil
	}
	t.check("the blocked one ends with its deadline", err)

	err = t.client.Call(ctx, agentService, "WaitProcess", &ContainerRequest{ContainerId: "none"}, &Empty{})
	if st, ok := status.FromError(err); err == nil || !ok || !strings.Contains(st.Message(), "none") {
		t.check("an unknown container is an error that names it", fmt.Errorf("got %v", err))
	} else {
		t.check("an unknown container is an error that names it", nil)
	}
	err = t.client.Call(ctx, agentService, "NoSuchMethod", &Empty{}, &Empty{})
	t.check("an unknown method", expectCode(err, codes.Unimplemented))
	t.check("the agent is healthy still", t.health())
	if t.failed {
		os.Exit(1)
	}
}

// ---- as a server for our client -----------------------------------------------------------------

func textMethod(f func(ctx context.Context, text string) (string, error)) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(interface{}) error) (interface{}, error) {
		var req CheckRequest
		if err := unmarshal(&req); err != nil {
			return nil, err
		}
		answer, err := f(ctx, req.Service)
		return &VersionCheckResponse{GrpcVersion: answer}, err
	}
}

func methods() map[string]ttrpc.Method {
	return map[string]ttrpc.Method{
		"Version": textMethod(func(_ context.Context, text string) (string, error) {
			return text, nil
		}),
		"Delay": textMethod(func(_ context.Context, text string) (string, error) {
			ms, err := strconv.Atoi(text)
			time.Sleep(time.Duration(ms) * time.Millisecond)
			return text, err
		}),
		"Park": textMethod(func(ctx context.Context, text string) (string, error) {
			<-ctx.Done()
			return text, ctx.Err()
		}),
		"Deadline": textMethod(func(ctx context.Context, _ string) (string, error) {
			deadline, ok := ctx.Deadline()
			if !ok {
				return "none", nil
			}
			return strconv.FormatInt(time.Until(deadline).Milliseconds(), 10), nil
		}),
		"Fail": textMethod(func(_ context.Context, text string) (string, error) {
			code, _ := strconv.Atoi(text)
			return "", status.Errorf(codes.Code(code), "asked to fail with %s", text)
		}),
		"Empty": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			return &Empty{}, unmarshal(&CheckRequest{})
		},
		"Write": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var req WriteStreamRequest
			err := unmarshal(&req)
			return &ReadStreamResponse{Data: req.Data}, err
		},
		"Read": func(_ context.Context, unmarshal func(interface{}) error) (interface{}, error) {
			var req ReadStreamRequest
			err := unmarshal(&req)
			return &ReadStreamResponse{Data: pattern(req.Len)}, err
		},
	}
}

func runServer(path string) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	server.Register(service, methods())
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		server.Serve(context.Background(), listener)
	}()
	fmt.Println("listening")
	io.Copy(io.Discard, os.Stdin)
	server.Close()
	done.Wait()
	return nil
}

func main() {
	if len(os.Args) != 3 || !strings.HasPrefix(os.Args[2], "unix://") {
		fmt.Fprintln(os.Stderr, "usage: go_peer client|agent|server unix://PATH")
		os.Exit(2)
	}
	path := strings.TrimPrefix(os.Args[2], "unix://")
	switch os.Args[1] {
	case "client":
		runClient(path)
	case "agent":
		runAgent(path)
	case "server":
		if err := runServer(path); err != nil {
			fmt.Fprintf(os.Stderr, "go_peer: %v\n", err)
			os.Exit(1)
		}
	}
}
