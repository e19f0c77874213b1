# Keeps one Postgres server up for as long as anyone holds the pipe on stdin, then stops it.
# $1: the postgres program, $2: its data directory, $3: the directory of greetings (see guard.rs)

# Whatever stops tagd must not stop us before it: tagd drains first, and its end is our end of file.
trap '' HUP INT QUIT TERM PIPE USR1
# A daemon that kept a stranger's descriptors would make that stranger's reader wait for us.
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-

(
    stop=
    trap 'stop=1' USR1
    tries=0
    while [ -z "$stop" ]; do
        begun=$(date +%s)
        "$1" -D "$2" </dev/null >/dev/null &
        server=$!
        while :; do
            wait "$server"
            # A signal ends a wait early. SIGINT is Postgres's fast, clean shutdown.
            kill -0 "$server" 2>/dev/null || break
            [ -z "$stop" ] || kill -INT "$server" 2>/dev/null
        done
        # Only a server that was killed leaves a pid file that calls it ready: that one comes back.
        [ -z "$stop" ] && kill -0 "$$" 2>/dev/null && grep -q '^ready' "$2/postmaster.pid" 2>/dev/null || break
        [ $(($(date +%s) - begun)) -lt 60 ] || tries=0
        tries=$((tries + 1))
        [ "$tries" -le 5 ] || break
        echo "tagd: Postgres was killed; starting it again" >&2
        # Its orphaned workers need a moment to notice.
        sleep 1
    done
) </dev/null &
keeper=$!

# Only the keeper has stdout now: its end is how the tagd that started us learns of a failed start.
exec >/dev/null

while read -r word; do
    [ "$word" != end ] || break
    rm -f "$3/$word"
done
# From here on nobody can join: a late greeting breaks instead of being answered.
exec </dev/null
kill -USR1 "$keeper"
# Said again each second, as a server that is just being born does not hear the first.
(while sleep 1; do kill -USR1 "$keeper" || exit; done) 2>/dev/null &
again=$!
wait "$keeper"
kill -KILL "$again"
