package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// How long more than the limit may seem to be inside: the end of one connection and the beginning of
// another reach a server in the order the scheduler likes.
const settles = 50 * time.Millisecond

// A gauge counts who is inside and complains of too many in a file that outlives its process.
type gauge struct {
	sync.Mutex
	now, limit int
	exact      bool
	complaints string
	// Counts the times that there were no more than may be.
	fine int
	// Who is inside, for the complaint.
	guests map[string]int
}

func (g *gauge) enter(guest string) {
	g.Lock()
	defer g.Unlock()
	g.now++
	g.guests[guest]++
	if g.now <= g.limit {
		return
	}
	if g.exact {
		g.complain(g.now)
		return
	}
	fine := g.fine
	time.AfterFunc(settles, func() {
		g.Lock()
		defer g.Unlock()
		if g.now > g.limit && g.fine == fine {
			g.complain(g.now)
		}
	})
}

func (g *gauge) complain(inside int) {
	file, err := os.OpenFile(g.complaints, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		fmt.Fprintf(file, "%s: %d inside of %d: %v\n", time.Now().Format(time.TimeOnly), inside, g.limit, g.guests)
		file.Close()
	}
}

func (g *gauge) leave(guest string) {
	g.Lock()
	defer g.Unlock()
	g.now--
	g.guests[guest]--
	if g.guests[guest] == 0 {
		delete(g.guests, guest)
	}
	if g.now <= g.limit {
		g.fine++
	}
}

// model PORT NAME KIND LIMIT COMPLAINTS
func serveModel(words []string) error {
	limit, err := strconv.Atoi(words[3])
	if err != nil {
		return err
	}
	inside := &gauge{limit: limit, exact: words[2] == "exact", complaints: words[4], guests: map[string]int{}}
	listener, err := net.Listen("tcp", "127.0.0.1:"+words[0])
	if err != nil {
		return err
	}
	if words[2] == "grpc" {
		return serveGrpc(listener, inside)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		guest := fmt.Sprintf("%s %s of %d B", r.Method, r.URL, r.ContentLength)
		inside.enter(guest)
		// Told by whoever answers before the last byte is on its way: a gate that has read it sends the
		// next, and that may come in before this function has ended.
		leave := sync.OnceFunc(func() { inside.leave(guest) })
		defer leave()
		answer(w, r, leave)
	})
	return http.Serve(listener, nil)
}

func serveGrpc(listener net.Listener, inside *gauge) error {
	server := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			inside.enter("unary")
			defer inside.leave("unary")
			time.Sleep(5 * time.Millisecond)
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			inside.enter("stream")
			defer inside.leave("stream")
			return next(service, stream)
		}))
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	return server.Serve(listener)
}

func answer(w http.ResponseWriter, r *http.Request, leave func()) {
	query := r.URL.Query()
	number := func(name string) int {
		n, _ := strconv.Atoi(query.Get(name))
		return n
	}
	switch r.URL.Path {
	case "/ready":
	case "/tunnel":
		tunnel(w)
	case "/events":
		w.Header().Set("content-type", "text/event-stream")
		for n := range number("n") {
			fmt.Fprintf(w, "data: %d\n\n", n)
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-time.After(time.Duration(number("gap")) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
	case "/down":
		w.Header().Set("content-length", query.Get("n"))
		io.CopyN(w, pattern{}, int64(number("n"))-1)
		leave()
		io.CopyN(w, pattern{}, 1)
	default:
		hash := sha256.New()
		if _, err := io.Copy(hash, r.Body); err != nil {
			return
		}
		time.Sleep(time.Duration(number("ms")) * time.Millisecond)
		io.WriteString(w, hex.EncodeToString(hash.Sum(nil)))
	}
}

// Echoes whatever comes until either end has had enough; a zero byte is the server's own end.
func tunnel(w http.ResponseWriter) {
	socket, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer socket.Close()
	io.WriteString(socket, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
	piece := make([]byte, 4096)
	for {
		n, err := buffered.Read(piece)
		if err != nil || piece[n-1] == 0 {
			return
		}
		if _, err := socket.Write(piece[:n]); err != nil {
			return
		}
	}
}

// Bytes that can be told apart.
type pattern struct{}

func (pattern) Read(p []byte) (int, error) {
	for n := range p {
		p[n] = 'x'
	}
	return len(p), nil
}
