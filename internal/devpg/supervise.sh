# The parent of Postgres, so that Postgres ends with the program that wanted it.
# A program killed by SIGKILL can run nothing more, but the kernel closes its
# files: this shell holds the other end of a pipe from it (descriptor 3) and
# acts at its end. Being Postgres's parent it knows the process id to be
# Postgres's until it has waited for it. Stopping in good order is the same
# thing: the program closes the pipe.
#
# Descriptor 4 is the lock on the directory. initdb, Postgres and its backends
# inherit it on purpose: the next start waits until the last of them is gone.
#
# BIN           the directory of initdb and postgres
# DATA          the cluster's directory
# REMOVE        a directory to remove at the end, or empty
# SIGNAL        what ends Postgres: INT (fast shutdown) or QUIT (at once)
# INITDB_FLAGS  further flags for initdb, or empty
# "$@"          Postgres's settings

# run SIGNAL COMMAND...: runs the command until it ends or descriptor 3 does.
run() {
    signal=$1
    shift
    "$@" 3<&- &
    child=$!
    {
        read -r _end
        # Again and again: a shell starts background commands with INT and QUIT
        # ignored, so one sent too early, before the command installs its
        # handler, is lost.
        while kill -s "$signal" "$child"; do sleep 0.2 || sleep 1; done
    } <&3 4<&- 2>/dev/null &
    watch=$!
    wait "$child"
    status=$?
    kill "$watch" 2>/dev/null
    return "$status"
}

# initdb works beside DATA and the result is moved there, so that DATA is a
# complete cluster or none, wherever initdb was interrupted. Nobody can reach
# the socket but its owner, hence trust; over TCP nobody is let in at all.
cluster() {
    [ -d "$DATA" ] && return
    rm -rf "$DATA.new"
    # shellcheck disable=SC2086 # no flag is no argument
    run TERM "$BIN/initdb" -D "$DATA.new" -U postgres --encoding=UTF8 --locale=C \
        --auth-local=trust --auth-host=reject --no-instructions $INITDB_FLAGS &&
        mv "$DATA.new" "$DATA"
}

cluster && run "$SIGNAL" "$BIN/postgres" -D "$DATA" "$@"
status=$?
[ -z "$REMOVE" ] || rm -rf "$REMOVE"
exit "$status"
