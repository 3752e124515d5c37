// Verifies attested documents with Go's standard library. benches/foreign.py starts this program,
// and describes the commands and responses.
//
// With "cached", the program parses the message without the checks of a safe parser, compares the
// leaf with one whose chain was validated, and verifies one RSA signature. With "uncached", it
// parses the leaf and validates its chain each time, including name and time. It checks neither the
// rest of the message nor the claims.
package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

type verifier struct {
	options x509.VerifyOptions
	leaf    []byte
	key     *rsa.PublicKey
	kept    []string
}

// header returns the start and the end of the contents of the element at the start of der.
func header(der []byte) (int, int) {
	length, start := int(der[1]), 2
	if length >= 0x80 {
		size := length - 0x80
		length = 0
		for _, octet := range der[2 : 2+size] {
			length = length<<8 | int(octet)
		}
		start += size
	}
	return start, start + length
}

// child returns the n-th element inside der.
func child(der []byte, n int) []byte {
	start, end := header(der)
	inside := der[start:end]
	for ; n > 0; n-- {
		_, end := header(inside)
		inside = inside[end:]
	}
	_, end = header(inside)
	return inside[:end]
}

func contents(der []byte) []byte {
	start, end := header(der)
	return der[start:end]
}

func parts(document string) (leaf, content, signature []byte, err error) {
	der, err := base64.StdEncoding.DecodeString(document)
	if err != nil {
		return
	}
	defer func() {
		if recover() != nil {
			err = errors.New("not a message")
		}
	}()
	signed := child(child(der, 1), 0)
	content = contents(child(child(child(signed, 2), 1), 0))
	return child(child(signed, 3), 0), content, contents(child(child(child(signed, 4), 0), 4)), nil
}

func (v *verifier) verify(document string, cached bool) error {
	leaf, content, signature, err := parts(document)
	if err != nil {
		return err
	}
	key := v.key
	if !cached || !bytes.Equal(leaf, v.leaf) {
		certificate, err := x509.ParseCertificate(leaf)
		if err != nil {
			return err
		}
		if _, err := certificate.Verify(v.options); err != nil {
			return err
		}
		v.leaf, key = leaf, certificate.PublicKey.(*rsa.PublicKey)
		v.key = key
	}
	digest := sha256.Sum256(content)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
}

func certificate(line string) *x509.Certificate {
	der, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return certificate
}

func (v *verifier) round(count int, cached bool) error {
	for number := range count {
		if err := v.verify(v.kept[number%len(v.kept)], cached); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	next := func() string { lines.Scan(); return lines.Text() }
	v := verifier{options: x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}}
	v.options.Roots.AddCert(certificate(next()))
	v.options.Intermediates.AddCert(certificate(next()))
	seconds, _ := strconv.ParseInt(next(), 10, 64)
	v.options.CurrentTime = time.Unix(seconds, 0)
	v.options.DNSName = next()
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		var err error
		switch words[0] {
		case "keep":
			v.kept = append(v.kept, words[1])
			continue
		case "check":
			err = v.verify(words[2], words[1] == "cached")
		case "round":
			count, _ := strconv.Atoi(words[2])
			err = v.round(count, words[1] == "cached")
		}
		if err != nil {
			fmt.Println("refused:", err)
		} else {
			fmt.Println("accepted")
		}
	}
}
