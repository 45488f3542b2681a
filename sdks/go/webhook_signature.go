package triggers

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func checkWebhookSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return ErrNoSecret
	}
	if slices.Contains(secrets, "") {
		return fmt.Errorf("%w: one of them is empty", ErrNoSecret)
	}
	return nil
}

func anyMatches(signatures, secrets []string, sign func(secret string) string) bool {
	for _, secret := range secrets {
		expected := []byte(sign(secret))
		for _, signature := range signatures {
			if subtle.ConstantTimeCompare([]byte(signature), expected) == 1 {
				return true
			}
		}
	}
	return false
}

// noMatch says the likely cause.
func noMatch(body []byte, secrets []string) error {
	if len(body) == 0 {
		return fmt.Errorf("%w: the body is empty; was the request's body read before?", ErrNoMatchingSignature)
	}
	for _, secret := range secrets {
		if strings.TrimSpace(secret) != secret {
			return fmt.Errorf("%w: a secret begins or ends with white space; was it read with its line's end?", ErrNoMatchingSignature)
		}
	}
	return fmt.Errorf("%w: the secret is another one, or the body is not the bytes that came", ErrNoMatchingSignature)
}

// webhookHeader also finds names in lower case, as gateways hand them over outside net/http.
func webhookHeader(header http.Header, name string) (string, error) {
	var found []string
	for key, values := range header {
		if textproto.CanonicalMIMEHeaderKey(key) == name {
			found = append(found, values...)
		}
	}
	switch {
	case len(found) == 0 || len(found) == 1 && found[0] == "":
		return "", fmt.Errorf("%w: %s", ErrMissingHeader, name)
	case len(found) > 1:
		return "", fmt.Errorf("%w: %s is there more than once", ErrMalformedHeader, name)
	}
	return found[0], nil
}

func hasStandardHeader(header http.Header) bool {
	for key := range header {
		if strings.HasPrefix(strings.ToLower(key), "webhook-") {
			return true
		}
	}
	return false
}

func parseWebhookTimestamp(text string) (int64, error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	// Not signed, and twelve digits, which are 30,000 years, at most: differences stay far from overflow.
	if err != nil || len(text) > 12 || strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("%w: %s is not a time in Unix seconds", ErrMalformedHeader, headerWebhookTimestamp)
	}
	return seconds, nil
}

func standardSignature(secret, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, webhookKey(secret))
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func isStandardSignature(text string) bool {
	encoded, isV1 := strings.CutPrefix(text, "v1,")
	signature, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return isV1 && err == nil && len(signature) == sha256.Size
}

func isPlainSignature(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

func plainSignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// webhookKey is what a generated secret encodes; a secret that the user chose is the key as it is, also one that only begins like a
// generated one.
func webhookKey(secret string) []byte {
	encoded, isGenerated := strings.CutPrefix(secret, "whsec_")
	if !isGenerated || strings.ContainsAny(encoded, "\r\n") { // the decoder would skip line ends
		return []byte(secret)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) < 16 {
		return []byte(secret)
	}
	return key
}

// standardEvent is a body of the payload format standard.
type standardEvent struct {
	Type      *string         `json:"type"`
	Timestamp json.RawMessage `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// parseWebhookEvent reads both payload formats: the event itself, and {type, timestamp, data: the event}.
func parseWebhookEvent(body []byte) (Event, error) {
	var standard struct {
		standardEvent
		EventID *string `json:"event_id"`
	}
	if !utf8.Valid(body) {
		return Event{}, fmt.Errorf("%w: it is not UTF-8", ErrMalformedBody)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return Event{}, fmt.Errorf("%w: it is not a JSON object", ErrMalformedBody)
	}
	if err := json.Unmarshal(body, &standard); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformedBody, err)
	}
	if standard.Type != nil && standard.EventID == nil && bytes.HasPrefix(standard.Data, []byte("{")) {
		body = standard.Data
	}
	var event Event
	if err := json.Unmarshal(body, &event); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformedBody, err)
	}
	return event, nil
}
