package triggers

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	defaultBaseURL      = "http://127.0.0.1:8080"
	defaultMaxRetries   = 3
	defaultTimeout      = 30 * time.Second
	defaultTotalTimeout = 120 * time.Second
	// net/http keeps 2 to one host: a busy client would connect anew all the time.
	maxIdleConnections = 64
)

// Option is a setting: of the client when it is given to [NewClient], of one call when it is given to that.
type Option func(*settings) error

// settings are a client's, or one call's copy of them with its own options.
type settings struct {
	baseURL       *url.URL
	apiKey        secret
	signingSecret secret
	httpClient    *http.Client
	maxRetries    int
	timeout       time.Duration
	totalTimeout  time.Duration
	header        http.Header
	logger        *slog.Logger
	// How many requests of a bulk call are under way at once; see batches.go.
	concurrency int

	// A call's own.
	idempotencyKey string
	response       *Response
}

// secret is a text that no printer gets at, not even those that follow pointers: a function is printed as its address.
type secret struct{ reveal func() string }

func newSecret(text string) secret { return secret{func() string { return text }} }

// text is the secret itself, or empty where there is none.
func (s secret) text() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// WithBaseURL says where the server is, such as https://events.example.com. A path in it is put before every call's; a /v1 at its end may be left out.
func WithBaseURL(baseURL string) Option {
	return func(s *settings) error {
		parsed, err := url.Parse(baseURL)
		// url.Parse's error repeats the whole text, which may hold a password.
		if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
			return errors.New("triggers: the base URL is not one that begins with http:// or https:// and a host")
		}
		if parsed.User != nil {
			return errors.New("triggers: the base URL has a user name or a password")
		}
		if parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" {
			return errors.New("triggers: the base URL has a query or a fragment")
		}
		// The paths of the calls begin with it, and the server prints its address with it.
		parsed.Path = withoutVersion(parsed.Path)
		parsed.RawPath = withoutVersion(parsed.RawPath)
		s.baseURL = parsed
		return nil
	}
}

func withoutVersion(path string) string {
	return strings.TrimRight(strings.TrimSuffix(strings.TrimRight(path, "/"), "/v1"), "/")
}

// WithSigningSecret signs every request with the API key's signing secret. An empty one switches signing off.
func WithSigningSecret(signingSecret string) Option {
	return func(s *settings) error {
		s.signingSecret = newSecret(signingSecret)
		return nil
	}
}

// WithMaxRetries says how often a call is tried again after it failed; 3 unless told.
func WithMaxRetries(count int) Option {
	return func(s *settings) error {
		if count < 0 {
			return fmt.Errorf("triggers: %d retries are less than none", count)
		}
		s.maxRetries = count
		return nil
	}
}

// WithTimeout limits one try, from the connection to the last byte of the answer; 30 s unless told, 0 is without limit. What ends
// a whole call is its context, or [WithTotalTimeout].
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) error {
		if timeout < 0 {
			return fmt.Errorf("triggers: the timeout %s is negative", timeout)
		}
		s.timeout = timeout
		return nil
	}
}

// WithTotalTimeout limits a call with all its tries and waits; 120 s unless told, 0 is without limit. A wait that would go beyond
// it is not begun: the call ends with the last try's error.
func WithTotalTimeout(timeout time.Duration) Option {
	return func(s *settings) error {
		if timeout < 0 {
			return fmt.Errorf("triggers: the total timeout %s is negative", timeout)
		}
		s.totalTimeout = timeout
		return nil
	}
}

// WithHTTPClient sends requests with a client of one's own, for another proxy, certificate or transport. It is not changed;
// redirects are not followed, whatever it says, as they would carry the API key elsewhere.
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) error {
		if client == nil {
			return errors.New("triggers: the HTTP client is nil")
		}
		s.httpClient = withoutRedirects(client)
		return nil
	}
}

// WithHeader sends a header. Those that authenticate or describe the body stay the client's own; X-Request-ID may be set for a call.
func WithHeader(name, value string) Option {
	return func(s *settings) error {
		s.header = s.header.Clone()
		if s.header == nil {
			s.header = http.Header{}
		}
		s.header.Set(name, value)
		return nil
	}
}

// WithLogger logs every try at debug level and every retry as a warning, without headers, queries and bodies.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) error {
		s.logger = logger
		return nil
	}
}

// WithIdempotencyKey names the event that Events.Create makes: within 24 hours the same key makes no second one. Without it, and
// without one in the metadata, a random key is made for each call.
func WithIdempotencyKey(key string) Option {
	return func(s *settings) error {
		if key == "" {
			return errors.New("triggers: the idempotency key is empty")
		}
		s.idempotencyKey = key
		return nil
	}
}

// WithResponseInto writes the answer's status, headers and request id into response, also when the call fails with an [*Error].
func WithResponseInto(response *Response) Option {
	return func(s *settings) error {
		s.response = response
		return nil
	}
}

func newSettings(apiKey string, options []Option) (settings, error) {
	if apiKey == "" {
		apiKey = os.Getenv("TRIGGERS_API_KEY")
	}
	if apiKey == "" {
		return settings{}, errors.New("triggers: no API key: give one, or set TRIGGERS_API_KEY")
	}
	if strings.ContainsFunc(apiKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return settings{}, errors.New("triggers: the API key has a character that no API key has, such as a space or a line break")
	}
	s := settings{
		apiKey:       newSecret(apiKey),
		maxRetries:   defaultMaxRetries,
		timeout:      defaultTimeout,
		totalTimeout: defaultTotalTimeout,
	}
	if signingSecret := os.Getenv("TRIGGERS_SIGNING_SECRET"); signingSecret != "" {
		s.signingSecret = newSecret(signingSecret)
	}
	s, err := s.with(options)
	if err != nil {
		return settings{}, err
	}
	if s.idempotencyKey != "" {
		return settings{}, errors.New("triggers: an idempotency key is one call's, not the client's")
	}
	if s.response != nil {
		return settings{}, errors.New("triggers: WithResponseInto is for one call, not for the client")
	}
	if s.baseURL == nil {
		baseURL := os.Getenv("TRIGGERS_URL")
		if baseURL == "" {
			baseURL = defaultBaseURL
		}
		if err := WithBaseURL(baseURL)(&s); err != nil {
			return settings{}, err
		}
	}
	if s.httpClient == nil {
		s.httpClient = withoutRedirects(&http.Client{Transport: newTransport()})
	}
	return s, nil
}

// with gives a copy with options applied.
func (s settings) with(options []Option) (settings, error) {
	for _, option := range options {
		if err := option(&s); err != nil {
			return s, err
		}
	}
	return s, nil
}

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   maxIdleConnections,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// withoutRedirects gives a copy that hands out a redirect as the answer: net/http would repeat X-API-Key to any other host.
func withoutRedirects(client *http.Client) *http.Client {
	clone := *client
	clone.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &clone
}
