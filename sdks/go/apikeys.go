package triggers

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Scope is one thing that an API key may do.
type Scope string

// The scopes.
const (
	ScopeEventsWrite    Scope = "events:write"
	ScopeEventsRead     Scope = "events:read"
	ScopeInboxConsume   Scope = "inbox:consume"
	ScopeWebhooksManage Scope = "webhooks:manage"
	ScopeAnalyticsRead  Scope = "analytics:read"
	ScopeKeysManage     Scope = "keys:manage"
)

// VersionStatus is whether one of an API key's secrets works.
type VersionStatus string

// The statuses of a version.
const (
	VersionActive   VersionStatus = "active"
	VersionRotating VersionStatus = "rotating"
	VersionExpired  VersionStatus = "expired"
)

// APIKey is an API key as it is read: without its secrets.
type APIKey struct {
	KeyID       string  `json:"key_id"`
	Name        string  `json:"name"`
	WorkspaceID string  `json:"workspace_id"`
	Scopes      []Scope `json:"scopes"`
	// RateLimitPerMinute is how many requests it may make; 0 is without limit.
	RateLimitPerMinute int `json:"rate_limit_per_minute"`
	// AllowedIPs are the addresses and CIDR ranges that it may be used from; none allow all.
	AllowedIPs       []string   `json:"allowed_ips"`
	RequireSignature bool       `json:"require_signature"`
	HasSigningSecret bool       `json:"has_signing_secret"`
	Version          int        `json:"version"`
	CreatedAt        time.Time  `json:"created_at"`
	LastUsedAt       *time.Time `json:"last_used_at"`
	ExpiresAt        *time.Time `json:"expires_at"`
	RevokedAt        *time.Time `json:"revoked_at"`
}

// SingleAPIKey is an API key that was read alone.
type SingleAPIKey struct {
	APIKey
	RequestID string `json:"request_id"`
}

// APIKeyCreated is a new API key with its secrets, which are shown this once.
type APIKeyCreated struct {
	APIKey
	Secret string `json:"api_key"`
	// SigningSecret is there when the key requires signatures.
	SigningSecret *string `json:"signing_secret,omitzero"`
	RequestID     string  `json:"request_id"`
}

// APIKeyParams is an API key to create.
type APIKeyParams struct {
	Name   string  `json:"name"`
	Scopes []Scope `json:"scopes"`
	// RateLimitPerMinute is the server's default unless told; 0 is without limit.
	RateLimitPerMinute *int       `json:"rate_limit_per_minute,omitzero"`
	AllowedIPs         []string   `json:"allowed_ips,omitzero"`
	RequireSignature   *bool      `json:"require_signature,omitzero"`
	ExpiresAt          *time.Time `json:"expires_at,omitzero"`
}

// APIKeyChanges says what to change of an API key; what is left out stays.
type APIKeyChanges struct {
	Name   *string `json:"name,omitzero"`
	Scopes []Scope `json:"scopes,omitzero"`
	// RateLimitPerMinute: Null is the server's default.
	RateLimitPerMinute Nullable[int] `json:"rate_limit_per_minute,omitzero"`
	// AllowedIPs: nil stays, an empty slice allows all addresses.
	AllowedIPs       []string `json:"allowed_ips,omitzero"`
	RequireSignature *bool    `json:"require_signature,omitzero"`
	// ExpiresAt: Null is not before it is revoked.
	ExpiresAt Nullable[time.Time] `json:"expires_at,omitzero"`
}

// APIKeyListParams says which page of API keys to list.
type APIKeyListParams struct {
	Limit  *int    `query:"limit"`
	Cursor *string `query:"cursor"`
}

// RotateParams says how long the former secret works.
type RotateParams struct {
	// TransitionDays is 1 to 90; 7 unless told.
	TransitionDays *int `query:"transition_days"`
	// RevokePrevious ends the former secret now, as after a leak.
	RevokePrevious *bool `query:"revoke_previous"`
}

// APIKeyRotated is an API key's new secret, which is shown this once.
type APIKeyRotated struct {
	KeyID           string    `json:"key_id"`
	Secret          string    `json:"api_key"`
	Version         int       `json:"version"`
	PreviousVersion int       `json:"previous_version"`
	RotatedAt       time.Time `json:"rotated_at"`
	// ExpiresAt is when the former secret stops to work.
	ExpiresAt time.Time `json:"expires_at"`
	RequestID string    `json:"request_id"`
}

// APIKeyVersion is one secret of an API key, by its number.
type APIKeyVersion struct {
	Version   int           `json:"version"`
	Status    VersionStatus `json:"status"`
	CreatedAt time.Time     `json:"created_at"`
	RotatedAt *time.Time    `json:"rotated_at"`
	ExpiresAt *time.Time    `json:"expires_at"`
}

// APIKeyVersions are an API key's versions, newest first.
type APIKeyVersions struct {
	Versions  []APIKeyVersion `json:"versions"`
	RequestID string          `json:"request_id"`
}

// SigningSecretParams says how long the former signing secret works.
type SigningSecretParams struct {
	// TransitionDays is 0 to 90; 0, which ends it now, unless told.
	TransitionDays *int `query:"transition_days"`
}

// SigningSecretCreated is an API key's new signing secret, which is shown this once.
type SigningSecretCreated struct {
	KeyID         string `json:"key_id"`
	SigningSecret string `json:"signing_secret"`
	// PreviousExpiresAt is when the former one stops to work; nil where there was none.
	PreviousExpiresAt *time.Time `json:"previous_expires_at"`
	RequestID         string     `json:"request_id"`
}

// APIKeysService manages the workspace's API keys; it needs the scope keys:manage.
type APIKeysService struct{ client *Client }

// Create makes an API key.
func (s *APIKeysService) Create(ctx context.Context, params APIKeyParams, options ...Option) (*APIKeyCreated, error) {
	return call[APIKeyCreated](ctx, s.client, requestSpec{
		method: http.MethodPost, path: "/v1/api-keys", body: params, retry: retryNotDone, options: options,
	})
}

// List reads a page of API keys, revoked ones too.
func (s *APIKeysService) List(ctx context.Context, params APIKeyListParams, options ...Option) (*Page[APIKey], error) {
	return listPage[apiKeyPage](ctx, s.client, "/v1/api-keys", queryOf(params), options)
}

// All goes through all API keys, page by page. After an error it ends.
func (s *APIKeysService) All(ctx context.Context, params APIKeyListParams, options ...Option) iter.Seq2[APIKey, error] {
	return items(ctx, func() (*Page[APIKey], error) { return s.List(ctx, params, options...) })
}

// Get reads an API key, a revoked one too.
func (s *APIKeysService) Get(ctx context.Context, keyID string, options ...Option) (*SingleAPIKey, error) {
	return call[SingleAPIKey](ctx, s.client, requestSpec{method: http.MethodGet, retry: retryAlways, path: "/v1/api-keys/{id}", id: keyID, options: options})
}

// Update changes an API key.
func (s *APIKeysService) Update(ctx context.Context, keyID string, changes APIKeyChanges, options ...Option) (*SingleAPIKey, error) {
	return call[SingleAPIKey](ctx, s.client, requestSpec{
		method: http.MethodPatch, path: "/v1/api-keys/{id}", id: keyID, body: changes, retry: retryNotDone, options: options,
	})
}

// Delete revokes an API key, at once and for good. It stays readable; revoking it again is no error.
func (s *APIKeysService) Delete(ctx context.Context, keyID string, options ...Option) error {
	spec := requestSpec{method: http.MethodDelete, retry: retryAlways, path: "/v1/api-keys/{id}", id: keyID, options: options}
	spec.treatAsDone = func(refusal *Error) bool { return refusal.StatusCode == http.StatusNotFound }
	_, err := s.client.do(ctx, spec, nil)
	return err
}

// Rotate gives an API key a new secret; the former one works on for the overlap. When its answer is lost the call fails rather
// than rotate twice: rotate again then.
func (s *APIKeysService) Rotate(ctx context.Context, keyID string, params RotateParams, options ...Option) (*APIKeyRotated, error) {
	return call[APIKeyRotated](ctx, s.client, requestSpec{
		method: http.MethodPost, path: "/v1/api-keys/{id}/rotate", id: keyID, query: queryOf(params), retry: retryNotDone, options: options,
	})
}

// Versions lists an API key's secrets by their numbers, without the secrets.
func (s *APIKeysService) Versions(ctx context.Context, keyID string, options ...Option) (*APIKeyVersions, error) {
	return call[APIKeyVersions](ctx, s.client, requestSpec{
		method: http.MethodGet, retry: retryAlways, path: "/v1/api-keys/{id}/versions", id: keyID, options: options,
	})
}

// CreateSigningSecret makes or replaces an API key's signing secret.
func (s *APIKeysService) CreateSigningSecret(ctx context.Context, keyID string, params SigningSecretParams, options ...Option) (*SigningSecretCreated, error) {
	return call[SigningSecretCreated](ctx, s.client, requestSpec{
		method: http.MethodPost, path: "/v1/api-keys/{id}/signing-secret", id: keyID, query: queryOf(params), retry: retryNotDone, options: options,
	})
}

type apiKeyPage struct {
	APIKeys    []APIKey   `json:"api_keys"`
	Pagination pagination `json:"pagination"`
	RequestID  string     `json:"request_id"`
}

func (p apiKeyPage) page() *Page[APIKey] { return newPage(p.APIKeys, p.Pagination, p.RequestID) }
