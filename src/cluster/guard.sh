# Keeps one Postgres server running as long as any process has the pipe on stdin open, then stops it. $1: the postgres
# program, $2: its data directory, $3: the directory of greetings (see guard.rs)

# Ignore the signals that stop tagd: tagd drains first, and we read an end of file when it has exited.
trap '' HUP INT QUIT TERM PIPE USR1
# Close inherited descriptors: a process that reads from one of those pipes would otherwise wait for us.
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
            # A signal interrupts `wait`. SIGINT is Postgres's fast, clean shutdown.
            kill -0 "$server" 2>/dev/null || break
            [ -z "$stop" ] || kill -INT "$server" 2>/dev/null
        done
        # Only a killed server leaves a pid file that says "ready"; restart it.
        [ -z "$stop" ] && kill -0 "$$" 2>/dev/null && grep -q '^ready' "$2/postmaster.pid" 2>/dev/null || break
        [ $(($(date +%s) - begun)) -lt 60 ] || tries=0
        tries=$((tries + 1))
        [ "$tries" -le 5 ] || break
        echo "tagd: Postgres was killed; starting it again" >&2
        # Its orphaned workers need a moment to exit.
        sleep 1
    done
) </dev/null &
keeper=$!

# Only the keeper has stdout now: when it exits, the tagd that started us learns that the start failed.
exec >/dev/null

while read -r word; do
    [ "$word" != end ] || break
    rm -f "$3/$word"
done
# From here on no process can join: a late greeting fails instead of being answered.
exec </dev/null
kill -USR1 "$keeper"
# Repeat the signal each second, since a server that is just starting may miss the first.
(while sleep 1; do kill -USR1 "$keeper" || exit; done) 2>/dev/null &
again=$!
wait "$keeper"
kill -KILL "$again"
