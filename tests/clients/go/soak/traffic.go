package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// A client of the gate, with dice of its own.
type client struct {
	gate       string
	dice       *rand.Rand
	kept       *http.Client
	h2         *http.Client
	calls      testgrpc.TestServiceClient
	connection *grpc.ClientConn
	tally      *tally
}

func newClient(gate string, seed, nth uint64, t *tally) (*client, error) {
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	connection, err := grpc.NewClient("passthrough:///"+gate, grpc.WithAuthority("grpc.test"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	return &client{
		gate:       gate,
		dice:       rand.New(rand.NewPCG(seed, nth)),
		kept:       &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}, Timeout: time.Minute},
		h2:         &http.Client{Transport: h2, Timeout: time.Minute},
		connection: connection,
		calls:      testgrpc.NewTestServiceClient(connection),
		tally:      t,
	}, err
}

// The numbers below that are drawn: all of them, or those of SOAK_KINDS ("0-48,76-85"), to find what does it.
var kinds = func() (all []int) {
	wanted := os.Getenv("SOAK_KINDS")
	if wanted == "" {
		wanted = "0-100"
	}
	for _, part := range strings.Split(wanted, ",") {
		var from, to int
		if _, err := fmt.Sscanf(part, "%d-%d", &from, &to); err != nil {
			log.Fatalf("SOAK_KINDS: %s: %v", part, err)
		}
		for n := from; n < to; n++ {
			all = append(all, n)
		}
	}
	return all
}()

// Each kind with its share.
func (c *client) work(ctx context.Context) {
	for ctx.Err() == nil {
		n := kinds[c.dice.IntN(len(kinds))]
		switch {
		case n < 25:
			c.post("post", c.kept, c.pick("exact", "mixed", "mixed"), c.dice.IntN(4096))
		case n < 33:
			c.post("big", c.kept, c.pick("exact", "mixed"), c.dice.IntN(8<<20))
		case n < 43:
			c.events(c.kept, c.pick("exact", "mixed"))
		case n < 48:
			c.slowReader(c.pick("exact", "mixed"))
		case n < 62:
			c.hangUp(c.pick("exact", "mixed"))
		case n < 66:
			c.post("guest", c.kept, "guest", 10)
		case n < 76:
			c.tunnel("mixed")
		case n < 82:
			c.post("h2", c.h2, c.pick("exact", "mixed"), c.dice.IntN(100_000))
		case n < 85:
			c.events(c.h2, c.pick("exact", "mixed"))
		default:
			c.call()
		}
	}
}

// Closes what was kept.
func (c *client) leave() {
	c.kept.CloseIdleConnections()
	c.h2.CloseIdleConnections()
	c.connection.Close()
}

func (c *client) pick(names ...string) string { return names[c.dice.IntN(len(names))] }

func (c *client) ended(e ending, word string, detail any) {
	e.word, e.detail = word, fmt.Sprint(detail)
	c.tally.ended(e)
}

// Sends, and says what became of it where there is no answer with 200.
func (c *client) ask(e ending, by *http.Client, path string, body []byte) *http.Response {
	method := "GET"
	if body != nil {
		method = "POST"
	}
	request, err := http.NewRequest(method, "http://"+c.gate+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	request.Host = e.revision + ".test"
	// A client that tries again by itself would hide what became of the first.
	request.GetBody = nil
	answer, err := by.Do(request)
	if err != nil {
		c.ended(e, "lost", err)
		return nil
	}
	if answer.StatusCode == http.StatusOK {
		return answer
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	word := answer.Header.Get("x-holdgate-reason")
	if word == "" {
		word = "unnamed"
	}
	c.ended(e, word, fmt.Sprintf("%d %s", answer.StatusCode, text))
	return nil
}

func (c *client) post(kind string, by *http.Client, revision string, size int) {
	e := ending{revision: revision, kind: kind, from: time.Now()}
	body := make([]byte, size)
	for n := range body {
		body[n] = byte(n * size)
	}
	answer := c.ask(e, by, fmt.Sprintf("/?ms=%d", c.dice.IntN(40)), body)
	if answer == nil {
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	sum := sha256.Sum256(body)
	switch {
	case err != nil:
		c.ended(e, "cut", err)
	case string(text) != hex.EncodeToString(sum[:]):
		c.ended(e, "another answer", string(text))
	default:
		c.ended(e, "answered", "")
	}
}

func (c *client) events(by *http.Client, revision string) {
	e := ending{revision: revision, kind: "events", from: time.Now()}
	n := 5 + c.dice.IntN(20)
	answer := c.ask(e, by, fmt.Sprintf("/events?n=%d&gap=%d", n, c.dice.IntN(20)), nil)
	if answer == nil {
		return
	}
	defer answer.Body.Close()
	lines, seen := bufio.NewScanner(answer.Body), 0
	leaves := c.dice.IntN(3 * n)
	for lines.Scan() {
		if lines.Text() == fmt.Sprintf("data: %d", seen) {
			seen++
		}
		if seen == leaves+1 {
			c.ended(e, "left", "")
			return
		}
	}
	switch {
	case lines.Err() != nil:
		c.ended(e, "cut", lines.Err())
	case seen != n:
		c.ended(e, "a clean end too early", fmt.Sprintf("%d of %d events", seen, n))
	default:
		c.ended(e, "answered", "")
	}
}

func (c *client) slowReader(revision string) {
	e := ending{revision: revision, kind: "slow", from: time.Now()}
	n := 1 + c.dice.IntN(1<<20)
	answer := c.ask(e, c.kept, fmt.Sprintf("/down?n=%d", n), nil)
	if answer == nil {
		return
	}
	defer answer.Body.Close()
	piece, seen := make([]byte, 64<<10), 0
	for {
		got, err := io.ReadFull(answer.Body, piece)
		seen += got
		if err == io.EOF || err == io.ErrUnexpectedEOF && seen == n {
			break
		} else if err != nil {
			c.ended(e, "cut", err)
			return
		}
		time.Sleep(time.Duration(c.dice.IntN(20)) * time.Millisecond)
	}
	if seen != n {
		c.ended(e, "a clean end too early", fmt.Sprintf("%d of %d bytes", seen, n))
		return
	}
	c.ended(e, "answered", "")
}

// Says part of a request, or all of it, reads part of the answer, or none, and is gone.
func (c *client) hangUp(revision string) {
	e := ending{revision: revision, kind: "hang-up", from: time.Now()}
	socket, err := net.Dial("tcp", c.gate)
	if err != nil {
		c.ended(e, "lost", err)
		return
	}
	body := strings.Repeat("x", c.dice.IntN(200_000))
	path := []string{"/?ms=20", "/events?n=20&gap=10", "/down?n=1000000"}[c.dice.IntN(3)]
	text := fmt.Sprintf("POST %s HTTP/1.1\r\nhost: %s.test\r\ncontent-length: %d\r\n\r\n%s", path, revision, len(body), body)
	// Where a server counts exactly, nobody leaves within a body: that ends the gate's own request, and the
	// server has it inside until it notices.
	if some := c.dice.IntN(len(text)); c.dice.IntN(2) == 0 && (revision != "exact" || some <= len(text)-len(body)-4) {
		text = text[:some]
	}
	socket.SetDeadline(time.Now().Add(10 * time.Second))
	// Errors are the gate's good right: it may have refused and closed.
	io.WriteString(socket, text)
	time.Sleep(time.Duration(c.dice.IntN(60)) * time.Millisecond)
	if c.dice.IntN(2) == 0 {
		socket.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		io.ReadFull(socket, make([]byte, c.dice.IntN(100_000)))
	}
	if c.dice.IntN(2) == 0 {
		socket.(*net.TCPConn).SetLinger(0) // a reset
	}
	socket.Close()
	c.ended(e, "left", "")
}

func (c *client) tunnel(revision string) {
	e := ending{revision: revision, kind: "tunnel", from: time.Now()}
	socket, err := net.Dial("tcp", c.gate)
	if err != nil {
		c.ended(e, "lost", err)
		return
	}
	defer socket.Close()
	socket.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(socket, "GET /tunnel HTTP/1.1\r\nhost: %s.test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n", revision)
	reader := bufio.NewReader(socket)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		c.ended(e, "lost", err)
		return
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(answer.Body)
		c.ended(e, answer.Header.Get("x-holdgate-reason"), fmt.Sprintf("%d %s", answer.StatusCode, text))
		return
	}
	for n := range c.dice.IntN(40) {
		message := strings.Repeat("m", 1+n*7%900) + "\n"
		if _, err := io.WriteString(socket, message); err != nil {
			c.ended(e, "cut", err)
			return
		}
		echo, err := reader.ReadString('\n')
		if err != nil {
			c.ended(e, "cut", err)
			return
		}
		if echo != message {
			c.ended(e, "another echo", echo)
			return
		}
		time.Sleep(time.Duration(c.dice.IntN(10)) * time.Millisecond)
	}
	switch c.dice.IntN(3) {
	case 0: // the server's end
		socket.Write([]byte{0})
		if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
			c.ended(e, "cut", fmt.Sprintf("%v after the server's end, %d bytes", err, len(rest)))
			return
		}
	case 1:
		socket.(*net.TCPConn).SetLinger(0)
	}
	c.ended(e, "answered", "")
}

func (c *client) call() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e := ending{revision: "grpc", kind: "call", from: time.Now()}
	var head, trailer metadata.MD
	told := []grpc.CallOption{grpc.Header(&head), grpc.Trailer(&trailer)}
	var err error
	switch c.dice.IntN(3) {
	case 0:
		size := int32(c.dice.IntN(300_000))
		_, err = c.calls.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: size,
			Payload: interop.ClientNewPayload(testpb.PayloadType_COMPRESSABLE, c.dice.IntN(300_000))}, told...)
	case 1:
		e.kind = "bidi"
		err = c.talk(ctx, told)
	default:
		e.kind = "cancel"
		soon, stop := context.WithTimeout(ctx, time.Duration(c.dice.IntN(20))*time.Millisecond)
		err = c.talk(soon, told)
		stop()
		if code := status.Code(err); err == nil || code == codes.DeadlineExceeded || code == codes.Canceled {
			c.ended(e, "left", "")
			return
		}
	}
	if err == nil {
		c.ended(e, "answered", "")
		return
	}
	word := strings.Join(append(head.Get("x-holdgate-reason"), trailer.Get("x-holdgate-reason")...), " ")
	code := status.Code(err)
	if word == "" && (code == codes.Unavailable || code == codes.Internal) {
		word = "cut"
	}
	if e.kind == "cancel" && word == "upstream_timeout" {
		// Its deadline, which the gate saw first, in the middle of a message.
		word = "left"
	}
	c.ended(e, word, err)
}

func (c *client) talk(ctx context.Context, told []grpc.CallOption) error {
	stream, err := c.calls.FullDuplexCall(ctx, told...)
	if err != nil {
		return err
	}
	for range 1 + c.dice.IntN(10) {
		size := []*testpb.ResponseParameters{{Size: int32(c.dice.IntN(50_000))}}
		if err := stream.Send(&testpb.StreamingOutputCallRequest{ResponseParameters: size}); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	stream.CloseSend()
	if _, err := stream.Recv(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
