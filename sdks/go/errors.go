package triggers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The codes that an [Error] can have. Branch on these or on StatusCode; messages may change.
const (
	CodeValidation           = "VALIDATION_ERROR"
	CodeUnauthorized         = "UNAUTHORIZED"
	CodeForbidden            = "FORBIDDEN"
	CodeNotFound             = "NOT_FOUND"
	CodeMethodNotAllowed     = "METHOD_NOT_ALLOWED"
	CodeRequestTimeout       = "REQUEST_TIMEOUT"
	CodeConflict             = "CONFLICT"
	CodePayloadTooLarge      = "PAYLOAD_TOO_LARGE"
	CodeIdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED"
	CodeRateLimitExceeded    = "RATE_LIMIT_EXCEEDED"
	CodeInternal             = "INTERNAL_ERROR"
	CodeServiceUnavailable   = "SERVICE_UNAVAILABLE"
)

// Error is a refusal by the server, or by what stands before it; reach it with [errors.As]:
//
//	var refusal *triggers.Error
//	if errors.As(err, &refusal) && refusal.Code == triggers.CodeNotFound { … }
type Error struct {
	// StatusCode is the answer's HTTP status; that of the code where a single item of a bulk call was refused.
	StatusCode int `json:"-"`
	// Code is one of the Code constants; HTTP_502 and its like where the answer is not the API's, such as a proxy's page.
	Code string `json:"code"`
	// Message says what was expected, what came and what to do.
	Message string `json:"message"`
	// RequestID is what the request is called in the server's log.
	RequestID string `json:"request_id"`
	// Details depend on the code; a validation error has field, issue, suggestion and errors.
	Details map[string]any `json:"details"`
	// RetryAfter is how long the server asked to wait; 0 if it did not.
	RetryAfter time.Duration `json:"-"`
}

// The most of a message that goes into the text: what comes from elsewhere than the API can be long.
const maxMessageLength = 300

// Error is one short line without bodies and secrets.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("triggers:")
	if e.StatusCode != 0 {
		text.WriteString(" " + strconv.Itoa(e.StatusCode))
	}
	if e.Code != "" {
		text.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		text.WriteString(": " + shortened(e.Message))
	}
	if e.RequestID != "" {
		text.WriteString(" (request " + e.RequestID + ")")
	}
	return text.String()
}

// shortened is message on one line, without a dot at its end.
func shortened(message string) string {
	line := strings.TrimSuffix(strings.Join(strings.Fields(message), " "), ".")
	if len(line) <= maxMessageLength {
		return line
	}
	return strings.ToValidUTF8(line[:maxMessageLength], "") + "…"
}

// statusOf is the status that goes with a code, for the items of a bulk answer, which have no status of their own.
func statusOf(code string) int {
	switch code {
	case CodeValidation:
		return http.StatusBadRequest
	case CodeUnauthorized:
		return http.StatusUnauthorized
	case CodeForbidden:
		return http.StatusForbidden
	case CodeNotFound:
		return http.StatusNotFound
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case CodeRequestTimeout:
		return http.StatusRequestTimeout
	case CodeConflict:
		return http.StatusConflict
	case CodePayloadTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeIdempotencyKeyReused:
		return http.StatusUnprocessableEntity
	case CodeRateLimitExceeded:
		return http.StatusTooManyRequests
	case CodeServiceUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// newError reads the envelope of a failed answer. A body that is none, or was cut off, leaves the status to say it all.
func newError(response *Response, body []byte) *Error {
	var answer errorAnswer
	if json.Unmarshal(body, &answer) != nil {
		answer = errorAnswer{}
	}
	refusal := &answer.Error
	refusal.StatusCode = response.StatusCode
	if refusal.Code == "" {
		refusal.Code = foreignCode(response.StatusCode)
	}
	if refusal.Message == "" {
		refusal.Message = fmt.Sprintf("The server answered %d without saying why.", response.StatusCode)
	}
	if refusal.RequestID == "" {
		refusal.RequestID = response.RequestID
	}
	refusal.RetryAfter, _ = retryAfter(response.Header, time.Now())
	return refusal
}

// foreignCode is the code of an answer that has none.
func foreignCode(status int) string { return fmt.Sprintf("HTTP_%d", status) }

type errorAnswer struct {
	Error Error `json:"error"`
}
