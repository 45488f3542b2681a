package triggers

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// retryClass says when a call may be tried again.
type retryClass int

const (
	// retryNotDone: other writes, again only when nothing was done for sure. It is the zero value, as the careful one.
	retryNotDone retryClass = iota
	// retryAlways: reads, acks and deletes, which doing twice is like doing once.
	retryAlways
	// retryIdempotentWrite: creates, whose events each carry an idempotency key.
	retryIdempotentWrite
)

const (
	firstDelay    = 500 * time.Millisecond
	maxDelay      = 8 * time.Second
	maxRetryAfter = 60 * time.Second
)

// isTemporary says whether another try can end better.
func isTemporary(err error) bool {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.StatusCode == http.StatusRequestTimeout || refusal.StatusCode == http.StatusTooManyRequests || refusal.StatusCode >= 500
	}
	// These come out the same every time.
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	return !errors.As(err, &certificate) && !errors.As(err, &notTLS) && !errors.Is(err, errTooLong)
}

// nothingDone says whether a failed try has changed nothing for sure: the server was not reached, or says so.
func nothingDone(err error) bool {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.StatusCode == http.StatusTooManyRequests || refusal.StatusCode == http.StatusServiceUnavailable
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	var unknownHost *net.DNSError
	var operation *net.OpError
	return errors.As(err, &unknownHost) || (errors.As(err, &operation) && operation.Op == "dial")
}

// retryDelay is how long to wait after the given try, the first of which is 0: as the server says, up to a minute; else a random
// time up to 0.5 s, 1 s, 2 s … 8 s, so that clients that failed together don't come back together.
func retryDelay(try int, header http.Header, now time.Time, random func() float64) time.Duration {
	if asked, ok := retryAfter(header, now); ok {
		return min(asked, maxRetryAfter)
	}
	limit := maxDelay
	if try < 4 {
		limit = min(maxDelay, firstDelay<<try)
	}
	return time.Duration(random() * float64(limit))
}

// retryAfter reads Retry-After, which is a number of seconds or a date.
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "0123456789.") == "" {
		// Far beyond what is waited for, and within what a duration can hold.
		return time.Duration(min(seconds, 1e9) * float64(time.Second)), true
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now)), true
	}
	return 0, false
}

// wait returns after delay, or with the context's error as soon as that is done.
func wait(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func randomFraction() float64 { return rand.Float64() }
