// Creates a signed event, then lists its source's events with a signed query. Needs Go alone: go run sign.go
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func send(method, target string, body []byte) (string, error) {
	path, query, _ := strings.Cut(target, "?")
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	bodyHash := sha256.Sum256(body)
	mac := hmac.New(sha256.New, []byte(os.Getenv("TRIGGERS_SIGNING_SECRET")))
	mac.Write([]byte(strings.Join([]string{method, path, query, timestamp, hex.EncodeToString(bodyHash[:])}, "\n")))

	request, err := http.NewRequest(method, os.Getenv("TRIGGERS_URL")+target, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("X-API-Key", os.Getenv("TRIGGERS_API_KEY"))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Signature-Version", "v1")
	request.Header.Set("X-Signature-Timestamp", timestamp)
	request.Header.Set("X-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", response.Status, answer)
	}
	return string(answer), err
}

func main() {
	event := `{"source": "my shop", "event_type": "order.placed", "payload": {"order": 1042, "name": "Zoë"}}`
	created, err := send("POST", "/v1/events", []byte(event))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(created)
	listed, err := send("GET", "/v1/events?source=my%20shop&limit=10", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listed)
}
