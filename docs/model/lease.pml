/*
 * Lease, fence and vendor idempotency: one onboarding, several processes, and
 * everything that may go wrong between them. scripts/check-model checks it.
 *
 * What is modelled, and where it is in the code:
 *   claim          internal/store/claim.go     a new token, due_at = the lease's end
 *   send deadline  internal/vendors/fence.go   asked just before the write to the connection
 *   commit         internal/store/advance.go   version, state, token and due_at guard it
 *   lost COMMIT    internal/store/advance.go   resolved by reading the head of the chain
 *   give back      internal/store/claim.go     version and token guard it
 *   external id    internal/resumer/step.go    named by the state, committed before the call
 *
 * Time is counted down, not up, so that it needs no bound: `left` is how many
 * ticks the row's due_at is away, `mine` the same for a worker's own deadline.
 * Each fault takes one from `faults`, in any order and combination; when they
 * are used up, the faults have stopped.
 *
 * Not modelled: parking (a worker that has used up its attempts stops asking),
 * backoff (a delay only narrows what can happen), and the vendor's 409.
 *
 * Switches that take something away, each of which must be found out:
 *   NO_FENCE           no guard at writes, no deadline at the send
 *   NO_SEND_CHECK      guards at writes only
 *   VENDOR_DUPLICATES  a vendor that does the work again for an id it has seen
 *   TRUST_DUE_AT       after a lost COMMIT, take the row's due_at for one's own
 *                      without looking whose lease it ends
 *   LEASE_FOREVER      a lock instead of a lease: it does not pass by itself
 *
 * SEND_ATOMIC makes the deadline check and the write to the socket one step. In
 * truth a few instructions lie between them, and a process stopped there sends
 * late; only the vendor's idempotency covers that. So what is promised of the
 * vendor's effect is checked with the gap, and "nothing is sent under a lease
 * that has passed" without it.
 */

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef FAULTS
#define FAULTS 3
#endif
#define STEPS 2 /* work states in a row: one lease spans both */
#define LEASE 2 /* ticks; a commit renews it when half or less is left */
#define CANCELLED (STEPS + 1)
#define NOBODY 0

#ifdef NO_FENCE
#define NO_SEND_CHECK
#define GUARD(condition) true
#else
#define GUARD(condition) (condition)
#endif

byte faults = FAULTS;

/* The row. */
byte step = 0;       /* 0 .. STEPS-1 work, then at rest */
byte version = 0;
byte lease = NOBODY; /* token of the claim that holds it */
byte left = 0;       /* ticks until due_at; 0: due */
byte head = NOBODY;  /* who wrote the last event, of which version it is */
byte claims = 0;     /* tokens given out; each is new */

/* The audit trail: how many events each version has. */
byte events[STEPS + 3];

/* The vendor: how often the work of each step was done. */
byte done[STEPS];
chan wire[WORKERS] = [2] of { byte, byte }; /* token, step: requests under way */

/* The processes, as far as others see them. */
mtype = { none, answered, lost };
bool running[WORKERS];
byte holding[WORKERS]; /* token it works under, NOBODY when idle */
byte doing[WORKERS];   /* step it works on */
byte mine[WORKERS];    /* ticks until it may no longer send */
mtype answer[WORKERS];
byte gone = 0; /* processes that died for good */

/* A write that reached the server after its sender stopped waiting for it. */
byte lateToken = NOBODY, lateVersion, lateStep;

#define atRest (step >= STEPS)
#define fault(what) faults > 0 && (what)
#define mayMove(v, s, token) GUARD(version == v && step == s && lease == token && left > 0)

/* One transition: the row and its event, in one transaction. */
inline move(v, to, token) {
	events[v]++;
	assert(events[v] <= 1); /* at most one committed transition per version */
	version = v + 1;
	step = to;
	head = token
}

/* Work that goes on stays with its process; what is at rest is nobody's. */
inline hold(token) {
	if
	:: atRest -> lease = NOBODY; left = 0
	:: else ->
		lease = token;
		if
		:: left <= LEASE / 2 -> left = LEASE
		:: else
		fi
	fi
}

inline idle() {
	at = resting;
	holding[me] = NOBODY;
	mine[me] = 0;
	answer[me] = none;
	v = 0; s = 0; token = NOBODY
}

/* On to the next step of the chain, or done. */
inline goOn() {
	if
	:: atRest -> idle()
	:: else -> v = version; s = step; doing[me] = s; mine[me] = left; at = held
	fi
}

#ifdef NO_SEND_CHECK
#define maySend true
#else
#define maySend (mine[me] > 0)
#endif

#ifdef SEND_ATOMIC
/* Nothing is sent when the row is another's. (A customer's cancel takes it from
 * everybody: the lease may be NOBODY's, but then it is at rest.) */
#define atSend assert(atRest || (lease == token && left > 0))
#else
#define atSend skip
#endif

#ifdef TRUST_DUE_AT
#define stillHeld true
#else
#define stillHeld (lease == token)
#endif

mtype = { resting, held, checked, waiting, failed, decided, unsure, dead };

proctype Worker(byte me) {
	byte v, s, token;
	mtype at = resting;
end:
	do
	/* Claim what is due: never held, given back, or its lease has passed. */
	:: d_step { running[me] && at == resting && !atRest && left == 0 ->
		claims++; token = claims; lease = token; left = LEASE;
		v = version; s = step;
		holding[me] = token; doing[me] = s; mine[me] = LEASE; at = held }

	/* Send, unless the deadline has passed; then the row is somebody else's. */
#ifdef SEND_ATOMIC
	:: d_step { running[me] && at == held && maySend && nfull(wire[me]) ->
		atSend; answer[me] = none; wire[me]!token, s; at = waiting }
#else
	:: d_step { running[me] && at == held && maySend -> at = checked }
	:: d_step { running[me] && at == checked && nfull(wire[me]) ->
		answer[me] = none; wire[me]!token, s; at = waiting }
#endif
	:: d_step { running[me] && at == held && !maySend -> idle() }

	/* The answer, none, or one that takes too long. */
	:: d_step { running[me] && at == waiting && answer[me] == answered -> at = decided }
	:: d_step { running[me] && at == waiting && answer[me] == lost -> at = failed }
	:: d_step { fault(running[me] && at == waiting && answer[me] == none) -> faults--; at = failed }

	/* No answer: give the row back. */
	:: d_step { running[me] && at == failed ->
		if
		:: GUARD(version == v && lease == token) -> lease = NOBODY; left = 0
		:: else
		fi;
		idle() }

	/* Commit, and hold the row for the next step. */
	:: d_step { running[me] && at == decided && mayMove(v, s, token) ->
		move(v, s + 1, token); hold(token); goOn() }
	/* Commit while draining: what is still work is anybody's at once. */
	:: d_step { running[me] && at == decided && mayMove(v, s, token) ->
		move(v, s + 1, token); lease = NOBODY; left = 0; idle() }
	/* Refused. A note may have grown the version: then the step is repeated. */
	:: d_step { running[me] && at == decided && !mayMove(v, s, token) ->
		if
		:: lease == token && step == s && mine[me] > 0 && version != v -> v = version; at = held
		:: else -> idle()
		fi }
	/* The COMMIT's answer is lost, with the COMMIT or after it; or the COMMIT
	 * is still on its way when nobody waits for it any more. */
	:: d_step { fault(running[me] && at == decided && mayMove(v, s, token)) ->
		faults--; move(v, s + 1, token); hold(token); at = unsure }
	:: d_step { fault(running[me] && at == decided) -> faults--; at = unsure }
	:: d_step { fault(running[me] && at == decided && lateToken == NOBODY) ->
		faults--; lateToken = token; lateVersion = v; lateStep = s; at = unsure }

	/* Read what became of it. Not committed, or not ours: the lease will pass. */
	:: d_step { running[me] && at == unsure ->
		if
		:: head == token && version == v + 1 && stillHeld -> goOn()
		:: else -> idle()
		fi }
	:: d_step { fault(running[me] && at == unsure) -> faults--; idle() } /* the read fails too */

	/* Killed and started again; killed for good, if others are left; stopped
	 * (SIGSTOP, a suspended machine, a long pause) and woken. */
	:: d_step { fault(at != resting && at != dead) -> faults--; running[me] = true; idle() }
	:: d_step { fault(at != dead && gone < WORKERS - 1) -> faults--; gone++; idle(); running[me] = false; at = dead }
	:: d_step { fault(running[me] && at != resting) -> faults--; running[me] = false }
	:: d_step { !running[me] && at != dead -> running[me] = true }
	od
}

inline work() {
	if
#ifdef VENDOR_DUPLICATES
	:: true -> done[s]++
#else
	:: done[s] == 0 -> done[s] = 1
#endif
	:: else
	fi;
	assert(done[s] <= 1) /* the vendor's effect happens at most once */
}

/* A process that is not waiting for this answer any more does not get it. */
inline reply(how) {
	if
	:: holding[w] == token && doing[w] == s -> answer[w] = how
	:: else
	fi;
	w = 0; token = 0; s = 0
}

/* The vendor answers an external id it has seen with its first answer. */
proctype Vendor() {
	byte w = 0, token, s;
end:
	do
	:: d_step { nempty(wire[0]) -> w = 0; wire[0]?token, s } -> goto serve
	:: d_step { nempty(wire[1]) -> w = 1; wire[1]?token, s } -> goto serve
#if WORKERS > 2
	:: d_step { nempty(wire[2]) -> w = 2; wire[2]?token, s } -> goto serve
#endif
	od;
serve:
	if
	:: d_step { faults > 0 -> faults--; reply(lost) } /* lost before it arrived */
	:: d_step { true -> work(); reply(answered) }
	:: d_step { faults > 0 -> faults--; work(); reply(lost) } /* lost after the work */
	fi;
	goto end
}

/* A customer cancels, or hands in a verdict: a note, which moves nothing but
 * grows the version. People need no lease; the version guards them. */
proctype Person() {
	byte v;
end:
	d_step { !atRest -> v = version };
	if
	:: d_step { GUARD(version == v) -> move(v, CANCELLED, 100); lease = NOBODY; left = 0 }
	:: d_step { GUARD(version == v) -> move(v, step, 100) }
	:: d_step { !GUARD(version == v) -> v = 0 }
	:: true /* thinks better of it */
	fi
}

/* The server carries out a write whose sender has given up on it. */
proctype Late() {
end:
	do
	:: d_step { lateToken != NOBODY ->
		if
		:: mayMove(lateVersion, lateStep, lateToken) ->
			move(lateVersion, lateStep + 1, lateToken); hold(lateToken)
		:: else
		fi;
		lateToken = NOBODY; lateVersion = 0; lateStep = 0 }
	od
}

#define holds(w) (running[w] && lease != NOBODY && holding[w] == lease)
#if WORKERS > 2
#define atWork (holds(0) || holds(1) || holds(2))
#else
#define atWork (holds(0) || holds(1))
#endif

inline tick() {
	left--;
	i = 0;
	do
	:: i < WORKERS ->
		if
		:: mine[i] > 0 -> mine[i]--
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* Time passes for all alike (the clocks' rates are trusted over one lease). A
 * lease that passes while its holder is at work is a fault: it was too slow. */
proctype Clock() {
	byte i;
end:
	do
	:: d_step { left > 1 || (left == 1 && !atWork) -> tick() }
	:: d_step { fault(left == 1 && atWork) -> faults--; tick() }
	od
}

init {
	byte i = 0;
	atomic {
		do
		:: i < WORKERS -> running[i] = true; answer[i] = none; run Worker(i); i++
		:: else -> break
		od;
		i = 0;
		run Vendor();
		run Person();
		run Late();
#ifndef LEASE_FOREVER
		run Clock()
#endif
	}
}

/* Every onboarding is at rest in the end, and stays there: in every run, however
 * the processes are scheduled. */
ltl settles { <> [] (step >= STEPS) }
