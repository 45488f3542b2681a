package triggers

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The longest answer there is is an inbox page, which ends at 5 MB.
const maxAnswerBytes = 32 << 20

// How much of an answer that nobody reads to its end is still taken off the connection, so that it can be used again.
const maxDrainedBytes = 256 << 10

var userAgent = "triggers-go/" + Version + " (" + runtime.Version() + ")"

// requestSpec is one call, whatever it takes to get it done.
type requestSpec struct {
	method string
	// path begins with /v1; {id} in it stands for id.
	path  string
	id    string
	query url.Values
	// body becomes JSON, once for all tries; nil is none.
	body    any
	retry   retryClass
	options []Option
	// secrets are sent with the body, and repeated by no error.
	secrets []secret
	// treatAsDone says whether a refusal means that the work is done; asked only after an earlier try may have reached the server.
	treatAsDone func(*Error) bool
}

// Response is what an answer has beside its body; see [WithResponseInto].
type Response struct {
	StatusCode int
	Header     http.Header
	RequestID  string
	// Tries is how many requests it took.
	Tries int

	// maybeDoneBefore: an earlier try has failed and may have done the work all the same.
	maybeDoneBefore bool
}

// call makes a request and decodes its answer.
func call[T any](ctx context.Context, c *Client, spec requestSpec) (*T, error) {
	var out T
	if _, err := c.do(ctx, spec, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// do sends a request, again where it failed and may be sent again, and decodes the answer into out, unless that is nil. Of several
// tries the last one's error is given back.
func (c *Client) do(ctx context.Context, spec requestSpec, out any) (*Response, error) {
	s, err := c.core.defaults.with(spec.options)
	if err != nil {
		return nil, err
	}
	if s.idempotencyKey != "" {
		return nil, errors.New("triggers: WithIdempotencyKey is for Events.Create")
	}
	return c.doWith(ctx, s, spec, out)
}

// doWith is do with settings that hold the call's options already.
func (c *Client) doWith(ctx context.Context, s settings, spec requestSpec, out any) (*Response, error) {
	r := &request{core: c.core, settings: &s, spec: &spec, path: spec.path}
	if before, after, hasID := strings.Cut(spec.path, "{id}"); hasID {
		// The server would take these for another path.
		if spec.id == "" || spec.id == "." || spec.id == ".." {
			return nil, fmt.Errorf("triggers: %s %s: %q is no id", spec.method, spec.path, spec.id)
		}
		r.path = before + url.PathEscape(spec.id) + after
	}
	if spec.body != nil {
		body, err := encodeJSON(spec.body)
		if err != nil {
			return nil, fmt.Errorf("triggers: the body cannot be JSON: %w", err)
		}
		r.body = body
	}
	if r.id = s.header.Get("X-Request-ID"); r.id == "" {
		r.id = newUUID()
	}
	return r.run(ctx, out)
}

// request is a call under way.
type request struct {
	core     *core
	settings *settings
	spec     *requestSpec
	path     string
	id       string
	body     []byte
	// The timestamp that the last try was signed with.
	signedAt time.Time
	// lastTry: the try under way has no more time than the whole call.
	lastTry bool
}

func (r *request) run(ctx context.Context, out any) (*Response, error) {
	var deadline time.Time
	if r.settings.totalTimeout > 0 {
		deadline = time.Now().Add(r.settings.totalTimeout)
	}
	maybeDone := false
	for try := 0; ; try++ {
		response, err := r.try(ctx, try, deadline, out)
		if response != nil {
			response.Tries = try + 1
			response.maybeDoneBefore = maybeDone
			if r.settings.response != nil {
				*r.settings.response = *response
			}
		}
		if err == nil {
			return response, nil
		}
		var refusal *Error
		if errors.As(err, &refusal) && maybeDone && r.spec.treatAsDone != nil && r.spec.treatAsDone(refusal) {
			return response, nil
		}
		maybeDone = maybeDone || !nothingDone(err)
		if ctx.Err() != nil || try >= r.settings.maxRetries || !isTemporary(err) || (r.spec.retry == retryNotDone && !nothingDone(err)) {
			return response, err
		}
		var header http.Header
		if response != nil {
			header = response.Header
		}
		delay := retryDelay(try, header, time.Now(), r.core.random)
		if !deadline.IsZero() && time.Now().Add(delay).After(deadline) {
			return response, err
		}
		r.log(ctx, slog.LevelWarn, "triggers: trying again", slog.Int("try", try+1), slog.Duration("delay", delay), slog.String("error", err.Error()))
		if stopped := r.core.wait(ctx, delay); stopped != nil {
			return response, fmt.Errorf("triggers: %s %s: %w while waiting to try again after: %w", r.spec.method, r.path, stopped, err)
		}
	}
}

// try sends the request once. There is no response where no whole answer came.
func (r *request) try(ctx context.Context, try int, deadline time.Time, out any) (*Response, error) {
	tryCtx, cancel := r.tryContext(ctx, deadline)
	defer cancel()
	httpRequest, err := r.build(tryCtx)
	if err != nil {
		return nil, r.failed(ctx, tryCtx, err)
	}
	started := time.Now()
	answer, err := r.settings.httpClient.Do(httpRequest)
	if err != nil {
		return nil, r.failed(ctx, tryCtx, err)
	}
	defer closeBody(answer.Body)
	body, err := readAll(answer)
	if r.settings.logger != nil {
		r.log(ctx, slog.LevelDebug, "triggers: request",
			slog.Int("try", try+1), slog.Int("status", answer.StatusCode), slog.Duration("took", time.Since(started)))
	}
	response := &Response{StatusCode: answer.StatusCode, Header: answer.Header, RequestID: answer.Header.Get("X-Request-ID")}
	if response.RequestID == "" {
		response.RequestID = r.id
	}
	if err != nil {
		// Half an answer is none, whatever its status: the rest says what it is about.
		return nil, r.failed(ctx, tryCtx, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return response, newError(response, r.withoutSecrets(body))
	}
	if out != nil {
		err = decode(response, body, out)
	}
	var foreign *Error
	if errors.As(err, &foreign) {
		return response, err
	}
	if err != nil {
		return nil, r.failed(ctx, tryCtx, err)
	}
	return response, nil
}

// Shorter texts of a body than this are no secrets, and would tear holes into any message.
const minSecretLength = 8

// withoutSecrets blots out what the call sent: a server or proxy that repeats it must not get a secret into somebody's log.
func (r *request) withoutSecrets(body []byte) []byte {
	secrets := []string{r.settings.apiKey.text(), r.settings.signingSecret.text()}
	for _, s := range r.spec.secrets {
		text := s.text()
		if utf8.RuneCountInString(text) < minSecretLength {
			continue
		}
		secrets = append(secrets, text)
		if written, err := encodeJSON(text); err == nil {
			secrets = append(secrets, string(written[1:len(written)-1]))
		}
	}
	// The longest first, as one may be part of another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, text := range secrets {
		if text != "" {
			body = bytes.ReplaceAll(body, []byte(text), []byte("[secret]"))
		}
	}
	return body
}

// tryContext ends when the try's or the call's time is over, whichever is sooner.
func (r *request) tryContext(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	r.lastTry = !deadline.IsZero()
	if r.settings.timeout > 0 {
		if ends := time.Now().Add(r.settings.timeout); deadline.IsZero() || ends.Before(deadline) {
			deadline, r.lastTry = ends, false
		}
	}
	if deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline)
}

func (r *request) build(ctx context.Context) (*http.Request, error) {
	target := r.settings.baseURL.String() + r.path
	if len(r.spec.query) > 0 {
		target += "?" + r.spec.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	httpRequest, err := http.NewRequestWithContext(ctx, r.spec.method, target, body)
	if err != nil {
		return nil, err
	}
	values := [...]string{userAgent, "application/json", r.id, r.settings.apiKey.text(), "application/json"}
	header := make(http.Header, 8)
	header["User-Agent"] = values[0:1:1]
	for name, values := range r.settings.header {
		header[name] = values
	}
	header["Accept"] = values[1:2:2]
	header["X-Request-Id"] = values[2:3:3]
	header["X-Api-Key"] = values[3:4:4]
	if r.body != nil {
		header["Content-Type"] = values[4:5:5]
	}
	httpRequest.Header = header
	if signingSecret := r.settings.signingSecret.text(); signingSecret != "" {
		r.signedAt = r.signingTime()
		SignRequest(header, r.spec.method, httpRequest.URL.RequestURI(), r.body, signingSecret, r.signedAt)
	}
	return httpRequest, nil
}

// signingTime is now, or a second after the last try's: the server takes some signatures once only, and timestamps are whole seconds.
func (r *request) signingTime() time.Time {
	now := r.core.now()
	if r.signedAt.IsZero() || now.Unix() > r.signedAt.Unix() {
		return now
	}
	return r.signedAt.Add(time.Second)
}

// failed says which call an error ended, and what ran out. What net/http wraps it in is left off, as that has the whole URL.
func (r *request) failed(ctx, tryCtx context.Context, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch {
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		// A context can end with a cause of the caller's own, which would hide that it ended.
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	case ctx.Err() == nil && tryCtx.Err() != nil && r.lastTry:
		err = fmt.Errorf("the call took longer than %s (WithTotalTimeout): %w", r.settings.totalTimeout, err)
	case ctx.Err() == nil && tryCtx.Err() != nil:
		err = fmt.Errorf("no answer within %s (WithTimeout): %w", r.settings.timeout, err)
	}
	return fmt.Errorf("triggers: %s %s (request %s): %w", r.spec.method, r.path, r.id, err)
}

func (r *request) log(ctx context.Context, level slog.Level, message string, attributes ...slog.Attr) {
	if r.settings.logger == nil {
		return
	}
	attributes = append([]slog.Attr{slog.String("method", r.spec.method), slog.String("path", r.path), slog.String("request_id", r.id)}, attributes...)
	r.settings.logger.LogAttrs(ctx, level, message, attributes...)
}

var errTooLong = fmt.Errorf("the answer is longer than %d bytes", maxAnswerBytes)

func readAll(answer *http.Response) ([]byte, error) {
	if length := answer.ContentLength; length >= 0 && length <= maxDrainedBytes {
		body := make([]byte, length)
		read, err := io.ReadFull(answer.Body, body)
		return body[:read], err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes+1))
	if len(body) > maxAnswerBytes {
		return nil, errTooLong
	}
	return body, err
}

// closeBody takes the rest off the connection, as net/http uses it again only then.
func closeBody(body io.ReadCloser) {
	_ = body.Close()
}

// decode fills out. Half an answer, which looks like a whole one where nothing says how long it is, gives io.ErrUnexpectedEOF, and
// one that is not the API's an [*Error].
func decode(response *Response, body []byte, out any) error {
	err := json.Unmarshal(body, out)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && strings.Contains(response.Header.Get("Content-Type"), "json") {
		return fmt.Errorf("the answer is cut off: %w", io.ErrUnexpectedEOF)
	}
	return &Error{
		StatusCode: response.StatusCode,
		Code:       foreignCode(response.StatusCode),
		Message:    "The answer is not of this API: check the base URL.",
		RequestID:  response.RequestID,
	}
}

// newUUID is a random UUID, version 4.
func newUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}
