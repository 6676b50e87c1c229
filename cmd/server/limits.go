package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gerbang-id/gerbang/internal/vendors"
)

// limits are the calls a minute that the contract with Quantum Elixir allows,
// by bucket; 0 is unlimited.
type limits map[string]int

// documentedLimits are the vendor's defaults, 120 where it names none.
func documentedLimits() limits {
	return limits{
		vendors.BucketCustomers:      120,
		vendors.BucketKTPChallenge:   30,
		vendors.BucketKTPCapture:     20,
		vendors.BucketFaceChallenge:  120,
		vendors.BucketStepUp:         20,
		vendors.BucketDukcapilIngest: 30,
		vendors.BucketScreenings:     60,
		vendors.BucketEvaluate:       100,
		vendors.BucketReads:          600,
	}
}

// parseLimits reads "customers.create=120,ktp.capture=0" (or with colons), or
// the same as a JSON object, over the documented limits.
func parseLimits(s string) (limits, error) {
	given, err := readLimits(s)
	if err != nil {
		return nil, err
	}
	all := documentedLimits()
	var wrong []error
	for _, bucket := range slices.Sorted(maps.Keys(given)) {
		if _, known := all[bucket]; !known {
			wrong = append(wrong, fmt.Errorf("no bucket %q; there are %s",
				bucket, strings.Join(slices.Sorted(maps.Keys(all)), ", ")))
		}
		if given[bucket] < 0 {
			wrong = append(wrong, fmt.Errorf("%s: %d is below zero", bucket, given[bucket]))
		}
	}
	maps.Copy(all, given)
	return all, errors.Join(wrong...)
}

func readLimits(s string) (limits, error) {
	given := limits{}
	if strings.HasPrefix(s, "{") {
		if err := json.Unmarshal([]byte(s), &given); err != nil {
			return nil, errors.New("not a JSON object of whole numbers by bucket")
		}
		return given, nil
	}
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		at := strings.IndexAny(item, "=:")
		if at < 0 {
			return nil, fmt.Errorf("%q is not bucket=perMinute", item)
		}
		bucket, number := strings.TrimSpace(item[:at]), strings.TrimSpace(item[at+1:])
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a whole number", bucket, number)
		}
		if _, twice := given[bucket]; twice {
			return nil, fmt.Errorf("%s is given twice", bucket)
		}
		given[bucket] = n
	}
	return given, nil
}
