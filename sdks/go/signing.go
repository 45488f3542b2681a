package triggers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SignRequest sets the three headers that sign a request: it is what a [Client] does by itself when it has a signing secret.
// Target is the request target as it is sent, path and query; body the very bytes that are sent.
func SignRequest(header http.Header, method, target string, body []byte, signingSecret string, at time.Time) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(signingSecret))
	mac.Write([]byte(stringToSign(method, target, timestamp, body)))
	header.Set("X-Signature-Version", "v1")
	header.Set("X-Signature-Timestamp", timestamp)
	header.Set("X-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func stringToSign(method, target, timestamp string, body []byte) string {
	path, query, _ := strings.Cut(target, "?")
	bodyHash := sha256.Sum256(body)
	return strings.Join([]string{strings.ToUpper(method), path, query, timestamp, hex.EncodeToString(bodyHash[:])}, "\n")
}
