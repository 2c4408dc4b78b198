// Both ends of gRPC's own interoperability tests, and what those leave out: how many calls are inside
// a server at once, and what becomes of a place whose caller leaves.
//
//	interop server PORT
//	interop case ADDRESS NAME [CA]
//
// CA is a file with the certificate that the one at the address must come from; without it there is no TLS.
// A case that fails says why and ends with 1.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/status"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) == 3 && os.Args[1] == "server" {
		log.Fatal(serve(os.Args[2]))
	}
	if len(os.Args) < 4 || len(os.Args) > 5 || os.Args[1] != "case" {
		log.Fatal("usage: interop server PORT | interop case ADDRESS NAME [CA]")
	}
	channel := insecure.NewCredentials()
	if len(os.Args) == 5 {
		var err error
		if channel, err = credentials.NewClientTLSFromFile(os.Args[4], ""); err != nil {
			log.Fatal(err)
		}
	}
	if err := play(os.Args[2], os.Args[3], channel); err != nil {
		log.Fatal(err)
	}
}

// A caller is one connection and the service behind it.
type caller struct {
	testgrpc.TestServiceClient
	connection *grpc.ClientConn
}

func call(address string, channel credentials.TransportCredentials) (caller, error) {
	connection, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(channel),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(hugeMessage*2)))
	return caller{testgrpc.NewTestServiceClient(connection), connection}, err
}

const hugeMessage = 32 << 20

// The cases of gRPC's own list that need no credentials. They end the process when they fail.
var listed = map[string]func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption){
	"empty_unary":                 interop.DoEmptyUnaryCall,
	"large_unary":                 interop.DoLargeUnaryCall,
	"client_streaming":            interop.DoClientStreaming,
	"server_streaming":            interop.DoServerStreaming,
	"ping_pong":                   interop.DoPingPong,
	"empty_stream":                interop.DoEmptyStream,
	"timeout_on_sleeping_server":  interop.DoTimeoutOnSleepingServer,
	"cancel_after_begin":          interop.DoCancelAfterBegin,
	"cancel_after_first_response": interop.DoCancelAfterFirstResponse,
	"custom_metadata":             interop.DoCustomMetadata,
	"status_code_and_message":     interop.DoStatusCodeAndMessage,
	"special_status_message":      interop.DoSpecialStatusMessage,
}

// Ours.
var ours = map[string]func(context.Context, caller) error{
	"huge_messages":     hugeMessages,
	"deadline_is_told":  deadlineIsTold,
	"third_waits":       thirdWaits,
	"leaver_frees":      leaverFrees,
	"server_end_frees":  serverEndFrees,
	"half_close_holds":  halfCloseHolds,
	"refused":           refused,
	"thousand_in_turns": thousandInTurns,
}

func play(address, name string, channel credentials.TransportCredentials) error {
	c, err := call(address, channel)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	switch {
	case name == "unimplemented_method":
		interop.DoUnimplementedMethod(ctx, c.connection)
	case name == "unimplemented_service":
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(c.connection))
	case listed[name] != nil:
		listed[name](ctx, c.TestServiceClient)
	case ours[name] != nil:
		return ours[name](ctx, c)
	default:
		return fmt.Errorf("no such case: %s", name)
	}
	return nil
}

// One message of 32 MiB each way, whole.
func hugeMessages(ctx context.Context, c caller) error {
	answer, err := c.UnaryCall(ctx, &testpb.SimpleRequest{
		ResponseSize: hugeMessage,
		Payload:      interop.ClientNewPayload(testpb.PayloadType_COMPRESSABLE, hugeMessage),
	}, grpc.MaxCallSendMsgSize(hugeMessage*2))
	if err != nil {
		return err
	}
	if got := len(answer.GetPayload().GetBody()); got != hugeMessage {
		return fmt.Errorf("%d bytes came back of %d", got, hugeMessage)
	}
	return nil
}

// The server is told of the caller's deadline, less what the way took.
func deadlineIsTold(ctx context.Context, c caller) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	told, err := empty(ctx, c)
	if err != nil {
		return err
	}
	left, err := strconv.Atoi(told.first(leftKey))
	if err != nil {
		return fmt.Errorf("the server knows of no deadline: %q", told.first(leftKey))
	}
	if left > 20_000 || left < 15_000 {
		return fmt.Errorf("the server was told of %d ms", left)
	}
	return nil
}

// A queue without room is told as gRPC tells it: a status, and no HTTP error.
func refused(ctx context.Context, c caller) error {
	_, err := c.EmptyCall(ctx, &testpb.Empty{})
	switch code := status.Code(err); code {
	case codes.ResourceExhausted, codes.Unavailable:
		fmt.Printf("%v: %s\n", code, status.Convert(err).Message())
		return nil
	default:
		return fmt.Errorf("not refused as gRPC does: %v", err)
	}
}

// A thousand calls, twenty at once, all answered, and never more than two inside.
func thousandInTurns(ctx context.Context, c caller) error {
	errs := make(chan error, 20)
	for range 20 {
		go func() {
			for range 50 {
				if _, err := empty(ctx, c); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 20 {
		if err := <-errs; err != nil {
			return err
		}
	}
	return mostWere(ctx, c, mostKey, 2)
}
