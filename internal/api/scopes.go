package api

import (
	"maps"
	"slices"
)

// Scope is one thing a key may do.
type Scope string

// The scopes.
const (
	OnboardingsWrite Scope = "onboardings:write"
	OnboardingsRead  Scope = "onboardings:read"
	CapturesWrite    Scope = "captures:write"
	AuditRead        Scope = "audit:read"
	Operations       Scope = "operations"
	ReviewsRead      Scope = "reviews:read"
	ReviewsWrite     Scope = "reviews:write"
	ReviewsSignoff   Scope = "reviews:signoff"
	WebhooksManage   Scope = "webhooks:manage"
)

const (
	noScope  Scope = ""  // no key needed
	anyScope Scope = "*" // any key will do
)

// roles are presets of scopes. A key has exactly one role.
var roles = map[string][]Scope{
	"frontend": {OnboardingsRead, OnboardingsWrite},
	"sdk":      {CapturesWrite, OnboardingsRead},
	"analyst":  {ReviewsRead, ReviewsWrite, OnboardingsRead},
	"signoff":  {ReviewsRead, ReviewsWrite, ReviewsSignoff, OnboardingsRead},
	"operator": {Operations, OnboardingsRead},
	"auditor":  {AuditRead, OnboardingsRead, ReviewsRead},
	"admin":    Scopes(),
}

// Scopes lists every scope.
func Scopes() []Scope {
	return []Scope{
		OnboardingsWrite, OnboardingsRead, CapturesWrite, AuditRead, Operations,
		ReviewsRead, ReviewsWrite, ReviewsSignoff, WebhooksManage,
	}
}

// Roles lists the roles, sorted.
func Roles() []string { return slices.Sorted(maps.Keys(roles)) }

// ScopesOf returns a copy of a role's scopes, or nil for an unknown role.
func ScopesOf(role string) []Scope { return slices.Clone(roles[role]) }
