// Prove to the verification service that this is an Azure machine, and print its claims. Run it with `go run attest.go`.
// VERIFIER_URL is the address of the service, and VERIFIER_KEY is your key to the service. Set IMDS_URL only in tests.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

// send makes a request and returns the body of the response. It ends the program if the status is not 200.
func send(method, url, header, value string, body any) []byte {
	data, _ := json.Marshal(body)
	request, err := http.NewRequest(method, url, bytes.NewReader(data))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(header, value)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		log.Fatalf("refused: %s", response.Status)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	return content
}

func main() {
	service, key := os.Getenv("VERIFIER_URL"), "Bearer "+os.Getenv("VERIFIER_KEY")
	imds := os.Getenv("IMDS_URL")
	if imds == "" {
		imds = "http://169.254.169.254"
	}
	imds += "/metadata/attested/document?api-version=2021-02-01&nonce="

	var challenge struct{ Nonce string }
	json.Unmarshal(send("POST", service+"/v1/challenges", "Authorization", key, struct{}{}), &challenge)
	document := send("GET", imds+challenge.Nonce, "Metadata", "true", nil)
	answer := map[string]string{"nonce": challenge.Nonce, "document": string(document)}
	fmt.Println(string(send("POST", service+"/v1/attestations", "Authorization", key, answer)))
}
