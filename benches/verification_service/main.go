package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// redis sends SET NX commands over a pool of connections.
type redis struct {
	address string
	idle    chan *bufio.ReadWriter
}

func newRedis(address string) *redis {
	return &redis{address, make(chan *bufio.ReadWriter, 64)}
}

func (r *redis) setIfAbsent(key string, milliseconds int) (bool, error) {
	var connection *bufio.ReadWriter
	select {
	case connection = <-r.idle:
	default:
		opened, err := net.Dial("tcp", r.address)
		if err != nil {
			return false, err
		}
		connection = bufio.NewReadWriter(bufio.NewReader(opened), bufio.NewWriter(opened))
	}
	px := strconv.Itoa(milliseconds)
	fmt.Fprintf(connection, "*6\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\n1\r\n$2\r\nPX\r\n$%d\r\n%s\r\n$2\r\nNX\r\n", len(key), key, len(px), px)
	if err := connection.Flush(); err != nil {
		return false, err
	}
	line, err := connection.ReadString('\n')
	if err != nil {
		return false, err
	}
	r.idle <- connection
	switch line {
	case "+OK\r\n":
		return true, nil
	case "$-1\r\n":
		return false, nil
	}
	return false, errors.New(line)
}

// load sends each line of a file once over persistent connections, and prints the duration, the
// status codes and the latencies as JSON.
func load(url, key, file string, connections int) {
	data, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	bodies := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, Proxy: nil}}
	var next atomic.Int64
	var lock sync.Mutex
	var group sync.WaitGroup
	statuses := map[int]int{}
	latencies := make([]float64, len(bodies))
	begin := time.Now()
	for worker := 0; worker < connections; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				number := int(next.Add(1)) - 1
				if number >= len(bodies) {
					return
				}
				request, _ := http.NewRequest("POST", url, bytes.NewReader(bodies[number]))
				request.Header.Set("Authorization", "Bearer "+key)
				request.Header.Set("Content-Type", "application/json")
				sent := time.Now()
				response, err := client.Do(request)
				status := 0
				if err == nil {
					status = response.StatusCode
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
				latencies[number] = time.Since(sent).Seconds()
				lock.Lock()
				statuses[status]++
				lock.Unlock()
			}
		}()
	}
	group.Wait()
	found := map[string]any{"seconds": time.Since(begin).Seconds(), "statuses": statuses, "latencies": latencies}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

func main() {
	switch os.Args[1] {
	case "load":
		connections, err := strconv.Atoi(os.Args[5])
		if err != nil {
			log.Fatal(err)
		}
		load(os.Args[2], os.Args[3], os.Args[4], connections)
	case "serve", "serve-cached":
		var given configuration
		if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
			log.Fatal(err)
		}
		serve(given, os.Args[1] == "serve-cached")
	}
}
