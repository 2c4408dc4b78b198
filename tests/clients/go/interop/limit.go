package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Within this time a place that has become free is taken by who waits for it.
const soon = 100 * time.Millisecond

type stream struct {
	testgrpc.TestService_FullDuplexCallClient
	cancel context.CancelFunc
	// Told what became of the first exchange.
	opened chan error
}

// A stream both ways, and one message each way as soon as the server takes it.
func open(ctx context.Context, c caller) (*stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	both, err := c.FullDuplexCall(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &stream{both, cancel, make(chan error, 1)}
	go func() { s.opened <- s.exchange() }()
	return s, nil
}

func (s *stream) exchange() error {
	one := []*testpb.ResponseParameters{{Size: 1}}
	if err := s.Send(&testpb.StreamingOutputCallRequest{ResponseParameters: one}); err != nil {
		return err
	}
	_, err := s.Recv()
	return err
}

func (s *stream) isOpen() error {
	select {
	case err := <-s.opened:
		return err
	case <-time.After(20 * time.Second):
		return fmt.Errorf("it was never opened")
	}
}

// Three streams where two may be, the third waiting; `end` ends one of the first two.
func afterTheEndOfOne(ctx context.Context, c caller, key string, end func(*stream) error) error {
	var streams []*stream
	for n := range 3 {
		s, err := open(ctx, c)
		if err != nil {
			return err
		}
		defer s.cancel()
		streams = append(streams, s)
		if n < 2 {
			if err := s.isOpen(); err != nil {
				return fmt.Errorf("stream %d: %w", n+1, err)
			}
		}
	}
	third := streams[2]
	select {
	case err := <-third.opened:
		return fmt.Errorf("the third did not wait: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	begun := time.Now()
	if err := end(streams[0]); err != nil {
		return err
	}
	if err := third.isOpen(); err != nil {
		return fmt.Errorf("the third: %w", err)
	}
	took := time.Since(begun)
	fmt.Printf("the third went in %.1f ms later\n", float64(took.Microseconds())/1000)
	if took > soon {
		return fmt.Errorf("the place was free only after %v", took)
	}
	for _, s := range streams[1:] {
		s.cancel()
	}
	time.Sleep(soon)
	return mostWere(ctx, c, key, 2)
}

func thirdWaits(ctx context.Context, c caller) error {
	return afterTheEndOfOne(ctx, c, mostKey, func(s *stream) error {
		if err := s.CloseSend(); err != nil {
			return err
		}
		if _, err := s.Recv(); err == nil {
			return fmt.Errorf("a message nobody asked for")
		}
		return nil
	})
}

func leaverFrees(ctx context.Context, c caller) error {
	return afterTheEndOfOne(ctx, c, lastingKey, func(s *stream) error {
		s.cancel()
		return nil
	})
}

func serverEndFrees(ctx context.Context, c caller) error {
	return afterTheEndOfOne(ctx, c, mostKey, func(s *stream) error {
		want := &testpb.EchoStatus{Code: int32(codes.Aborted), Message: "enough"}
		if err := s.Send(&testpb.StreamingOutputCallRequest{ResponseStatus: want}); err != nil {
			return err
		}
		if _, err := s.Recv(); status.Code(err) != codes.Aborted {
			return fmt.Errorf("not the server's own end: %v", err)
		}
		return nil
	})
}

// Who has said all holds the place until the answer has ended.
func halfCloseHolds(ctx context.Context, c caller) error {
	long := &testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{
		{Size: 1}, {Size: 1, IntervalUs: 1_000_000}}}
	for range 2 {
		s, err := c.StreamingOutputCall(ctx, long) // the client's half is closed at once
		if err != nil {
			return err
		}
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
	begun := time.Now()
	if _, err := empty(ctx, c); err != nil {
		return err
	}
	if waited := time.Since(begun); waited < 700*time.Millisecond {
		return fmt.Errorf("the third waited only %v for two of a second", waited)
	}
	return mostWere(ctx, c, mostKey, 2)
}

func empty(ctx context.Context, c caller) (trailer, error) {
	var told trailer
	_, err := c.EmptyCall(ctx, &testpb.Empty{}, grpc.Trailer(&told.MD))
	return told, err
}
