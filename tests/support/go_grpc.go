// SPDX-License-Identifier: Apache-2.0

// gRPC of Go: calls of every kind, whose messages are bytes without a schema.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

type raw struct{}

func (raw) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}
func (raw) Name() string { return "proto" } // instead of the one that has a schema

// Every method is a stream of both sides: what a call is, the messages say.
func handle(_ interface{}, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var last []byte
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		last = message
		if method == "/shop.v1.Cart/Both" {
			if err := stream.SendMsg(&message); err != nil {
				return err
			}
		}
	}
	switch method {
	case "/shop.v1.Cart/Unary":
		if string(last) == "fail" {
			return status.Error(codes.NotFound, "no such thing: 100 % \u00e4")
		}
		if string(last) == "slow" {
			<-stream.Context().Done()
			return status.FromContextError(stream.Context().Err()).Err()
		}
		answer := append([]byte("re:"), last...)
		return stream.SendMsg(&answer)
	case "/shop.v1.Cart/ClientStream":
		return stream.SendMsg(&last)
	case "/shop.v1.Cart/ServerStream":
		n, _ := strconv.Atoi(string(last))
		for i := 0; i < n; i++ {
			message := []byte(strconv.Itoa(i))
			if err := stream.SendMsg(&message); err != nil {
				return err
			}
		}
		return nil
	case "/shop.v1.Cart/Both":
		return nil
	}
	return status.Error(codes.Unimplemented, "unknown method")
}

func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return grpc.NewServer(grpc.UnknownServiceHandler(handle), grpc.MaxRecvMsgSize(64<<20)).Serve(listener)
}

func ask(address string) error {
	connection, err := grpc.Dial(address, grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return err
	}
	said := map[string]interface{}{}
	both := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	call := func(name, method string, messages [][]byte, stop int, timeout time.Duration, options ...grpc.CallOption) {
		c, cancel := context.WithCancel(context.Background())
		if timeout != 0 {
			c, cancel = context.WithTimeout(context.Background(), timeout)
		}
		defer cancel()
		stream, err := connection.NewStream(c, both, "/shop.v1.Cart/"+method, options...)
		for _, message := range messages {
			if err == nil {
				err = stream.SendMsg(&message)
			}
		}
		got := 0
		if err == nil || err == io.EOF {
			stream.CloseSend()
			for err = nil; err == nil; {
				var message []byte
				if err = stream.RecvMsg(&message); err == nil {
					if got++; got == stop {
						cancel()
						err = status.FromContextError(c.Err()).Err()
					}
				}
			}
		}
		if err == io.EOF {
			err = nil
		}
		said[name] = []interface{}{int(status.Code(err)), status.Convert(err).Message(), got}
	}
	many := func(n int) (messages [][]byte) {
		for i := 0; i < n; i++ {
			messages = append(messages, []byte(fmt.Sprint("message ", i)))
		}
		return
	}
	one := func(text string) [][]byte { return [][]byte{[]byte(text)} }
	call("unary", "Unary", one("hello"), 0, 0)
	call("error", "Unary", one("fail"), 0, 0)
	call("unknown", "Nothing", one("x"), 0, 0)
	call("client_stream", "ClientStream", many(50), 0, 0)
	call("server_stream", "ServerStream", one("70"), 0, 0)
	call("both", "Both", many(30), 0, 0)
	call("compressed", "Unary", one("compress me, compress me, compress me"), 0, 0, grpc.UseCompressor(gzip.Name))
	call("large", "Unary", [][]byte{make([]byte, 3<<20)}, 0, 0)
	call("deadline", "Unary", one("slow"), 0, 300*time.Millisecond)
	call("cancelled", "ServerStream", one("100000"), 3, 0)
	time.Sleep(300 * time.Millisecond) // the cancellation is sent in the background
	return json.NewEncoder(os.Stdout).Encode(said)
}

func main() {
	encoding.RegisterCodec(raw{})
	run := map[string]func(string) error{"server": serve, "client": ask}[os.Args[1]]
	if err := run(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
