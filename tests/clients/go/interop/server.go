package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/metadata"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

const (
	// How many calls were inside at once at most, by the server's own count.
	mostKey = "x-most-inside"
	// The same, for longer than a moment.
	lastingKey = "x-most-lasting"
	// Milliseconds to the caller's deadline, as the server was told of it.
	leftKey = "x-deadline-in"
)

// How long more than before may seem to be inside where a caller left: the gate lets the next in as it sends
// word of that, and the function that works on it ends a little later.
const settles = 20 * time.Millisecond

type gauge struct {
	sync.Mutex
	now, most, lasting int
	// How often there were fewer than so many again.
	fewer map[int]int
}

func (g *gauge) enter() metadata.MD {
	g.Lock()
	defer g.Unlock()
	g.now++
	now, fewer := g.now, g.fewer[g.now]
	g.most = max(g.most, now)
	time.AfterFunc(settles, func() {
		g.Lock()
		defer g.Unlock()
		if g.fewer[now] == fewer {
			g.lasting = max(g.lasting, now)
		}
	})
	return metadata.Pairs(mostKey, strconv.Itoa(g.most), lastingKey, strconv.Itoa(g.lasting))
}

func (g *gauge) leave() {
	g.Lock()
	defer g.Unlock()
	g.fewer[g.now]++
	g.now--
}

func serve(port string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	inside := &gauge{fewer: map[int]int{}}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(hugeMessage*2), grpc.MaxSendMsgSize(hugeMessage*2),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, answer grpc.UnaryHandler) (any, error) {
			told := inside.enter()
			defer inside.leave()
			if deadline, ok := ctx.Deadline(); ok {
				told.Set(leftKey, strconv.FormatInt(time.Until(deadline).Milliseconds(), 10))
			}
			if err := grpc.SetTrailer(ctx, told); err != nil {
				return nil, err
			}
			// Long enough that two meet.
			time.Sleep(time.Millisecond)
			return answer(ctx, req)
		}),
		grpc.StreamInterceptor(func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, answer grpc.StreamHandler) error {
			stream.SetTrailer(inside.enter())
			defer inside.leave()
			return answer(service, stream)
		}))
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	return server.Serve(listener)
}

// What a server adds to the end of an answer.
type trailer struct{ metadata.MD }

func (t trailer) first(key string) string {
	if all := t.Get(key); len(all) > 0 {
		return all[0]
	}
	return ""
}

func mostWere(ctx context.Context, c caller, key string, want int) error {
	told, err := empty(ctx, c)
	if err != nil {
		return err
	}
	if most := told.first(key); most != strconv.Itoa(want) {
		return fmt.Errorf("%s calls were inside at most, not %d", most, want)
	}
	return nil
}
