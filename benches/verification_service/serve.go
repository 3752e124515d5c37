// A counterpart of imdskit's verification service that uses Go's standard library.
// benches/verification_service.py compares the two.
//
// For each request, the service makes the same checks as imdskit (API key, nonce, signature, chain,
// name, times). It records in Redis that the document and the nonce are used, and writes a line of
// the audit log. It has no strict parsing (DER, JSON, certificates), no limits, no metrics and no
// revocation. With serve-cached, it verifies the chain of a leaf once, and later only compares the
// leaf.
package main

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	domain   = "metadata.azure.com"
	lifetime = 300
	skew     = 120
)

type configuration struct {
	Address, KeyName, KeyDigest, NonceKey, Roots, Redis, Audit string
}

type leaf struct {
	der []byte
	key *rsa.PublicKey
}

type service struct {
	keyName, keyDigest string
	nonceKey           []byte
	roots              *x509.CertPool
	intermediates      *x509.CertPool
	store              *redis
	audit              *os.File
	auditLock          sync.Mutex
	cached             bool
	known              atomic.Pointer[leaf]
}

type claims struct {
	VMID           string `json:"vmId"`
	SubscriptionID string `json:"subscriptionId"`
	SKU            string `json:"sku"`
	LicenseType    string `json:"licenseType"`
	Nonce          string `json:"nonce"`
	TimeStamp      struct{ CreatedOn, ExpiresOn string }
}

func (s *service) attest(w http.ResponseWriter, r *http.Request) {
	digest := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(digest[:])), []byte(s.keyDigest)) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 98304))
	var request struct{ Nonce, Document string }
	if err != nil || json.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	found, err := s.decide(request.Nonce, request.Document)
	if err := s.record(request.Document, found, err); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`{"decision": "refused"}`))
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"decision": "accepted", "cloud": "public", "claims": found})
}

func (s *service) decide(nonce, document string) (*claims, error) {
	now := time.Now()
	if !s.issued(nonce, now.Unix()) {
		return nil, errors.New("nonce-unknown")
	}
	var envelope struct{ Encoding, Signature string }
	if err := json.Unmarshal([]byte(document), &envelope); err != nil || envelope.Encoding != "pkcs7" {
		return nil, errors.New("bad-envelope")
	}
	der, content, signature, err := parts(envelope.Signature)
	if err != nil {
		return nil, err
	}
	key, err := s.signer(der, now)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(content)
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		return nil, err
	}
	var found claims
	if err := json.Unmarshal(content, &found); err != nil {
		return nil, err
	}
	created, err := time.Parse("01/02/06 15:04:05 -0700", found.TimeStamp.CreatedOn)
	if err != nil || now.Sub(created) > (lifetime+skew)*time.Second || created.Sub(now) > skew*time.Second {
		return nil, errors.New("times")
	}
	if found.Nonce != nonce || found.VMID == "" {
		return nil, errors.New("nonce-mismatch")
	}
	used := sha256.Sum256(append([]byte("imdskit used nonce\x00"), nonce...))
	for _, key := range [][32]byte{digest, used} {
		if fresh, err := s.store.setIfAbsent("go:"+hex.EncodeToString(key[:]), (lifetime+skew+600)*1000); err != nil || !fresh {
			return nil, errors.New("replayed")
		}
	}
	return &found, nil
}

func (s *service) issued(nonce string, now int64) bool {
	octets, err := base32.StdEncoding.DecodeString(strings.ToUpper(nonce))
	if err != nil || len(octets) != 20 {
		return false
	}
	tag := hmac.New(sha256.New, s.nonceKey)
	tag.Write([]byte("imdskit nonce 1\x00"))
	tag.Write(octets[:9])
	tag.Write([]byte(s.keyName + "\x00"))
	age := now - int64(binary.BigEndian.Uint32(octets))
	return hmac.Equal(tag.Sum(nil)[:11], octets[9:]) && age <= lifetime && age >= -30
}

func (s *service) signer(der []byte, now time.Time) (*rsa.PublicKey, error) {
	if known := s.known.Load(); s.cached && known != nil && bytes.Equal(known.der, der) {
		return known.key, nil
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: s.roots, Intermediates: s.intermediates, CurrentTime: now}); err != nil {
		return nil, err
	}
	for _, name := range certificate.DNSNames {
		if name == domain || strings.HasSuffix(name, "."+domain) {
			key := certificate.PublicKey.(*rsa.PublicKey)
			s.known.Store(&leaf{der, key})
			return key, nil
		}
	}
	return nil, errors.New("wrong-name")
}

func (s *service) record(document string, found *claims, decision error) error {
	digest := sha256.Sum256([]byte(document))
	line := map[string]string{"time": time.Now().UTC().Format(time.RFC3339), "key": s.keyName, "document": hex.EncodeToString(digest[:])}
	if decision != nil {
		line["decision"], line["reason"] = "refused", decision.Error()
	} else {
		line["decision"], line["vmId"], line["subscriptionId"] = "accepted", found.VMID, found.SubscriptionID
	}
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	s.auditLock.Lock()
	defer s.auditLock.Unlock()
	_, err = s.audit.Write(append(data, '\n'))
	return err
}

// parts returns leaf certificate, content and signature of a message. It expects the structure of
// genuine messages. For any other message it returns an error, or a later check fails.
func parts(document string) (certificate, content, signature []byte, err error) {
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

func header(der []byte) (int, int) {
	length, start := int(der[1]), 2
	if length >= 0x80 {
		octets := length - 0x80
		length = 0
		for _, octet := range der[2 : 2+octets] {
			length = length<<8 | int(octet)
		}
		start += octets
	}
	return start, start + length
}

func contents(der []byte) []byte {
	start, end := header(der)
	return der[start:end]
}

func child(der []byte, n int) []byte {
	inside := contents(der)
	for ; n > 0; n-- {
		_, end := header(inside)
		inside = inside[end:]
	}
	_, end := header(inside)
	return inside[:end]
}

func serve(given configuration, cached bool) {
	nonceKey, err := hex.DecodeString(given.NonceKey)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(given.Roots)
	if err != nil {
		log.Fatal(err)
	}
	audit, err := os.OpenFile(given.Audit, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		log.Fatal(err)
	}
	s := &service{keyName: given.KeyName, keyDigest: given.KeyDigest, nonceKey: nonceKey, store: newRedis(given.Redis), audit: audit, cached: cached}
	s.roots, s.intermediates = x509.NewCertPool(), x509.NewCertPool()
	s.roots.AppendCertsFromPEM(pem)
	if pem, err = os.ReadFile(given.Roots + ".intermediates"); err != nil {
		log.Fatal(err)
	}
	s.intermediates.AppendCertsFromPEM(pem)
	http.HandleFunc("/v1/attestations", s.attest)
	log.Fatal(http.ListenAndServe(given.Address, nil))
}
