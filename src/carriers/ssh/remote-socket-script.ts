import { shellWord } from "../../domain/shell-word.ts";

/** Where a socket is to appear on another computer, for whom, and whose it is. */
export interface Place {
  /** Of the directory that it gets when no `path` is asked for. Safe as a file name. */
  readonly name: string;
  /** Absolute; absent for one in the run-time directory over there. */
  readonly path: string | undefined;
  readonly mode: number;
  readonly group: string | undefined;
  /** The same for all connections of one run of ours, and for no other run: letters and digits. */
  readonly run: string;
  /** Another one for each connection of the run. */
  readonly serial: number;
  /** Who we are, one line: what others are told whose socket it is. */
  readonly owner: string;
}

/** What the script found before it changed anything that was there. */
export interface Look {
  readonly user: string;
  /** Where programs will look for the socket. */
  readonly path: string;
  /** Where ssh is to listen first, in a fresh private directory beside `path`. */
  readonly fresh: string;
  /** What is at `path` now. */
  readonly found: "nothing" | "socket" | "other";
  /** The user whose file it is. */
  readonly fileOwner: string | undefined;
  /** Which run made it, where one of ours did and the file that says so is this user's. */
  readonly run: string | undefined;
  /** What that run wrote about itself. */
  readonly owner: string | undefined;
  /** What became of a connect from over there; undefined without perl. */
  readonly connect: "ok" | "refused" | undefined;
}

/** Why the script stopped, in its own word, and what it is about. */
export interface Problem {
  readonly problem: string;
  readonly about: string;
}

/** The first line of the script's output; what a login shell says before, with or without a line feed, does not count. */
export const MARK = "cardwire-socket-1";

/** Digits of the serial number: with them the path where ssh listens keeps its length, however often the line breaks. */
const SERIAL_DIGITS = 5;

/** The least rights that let others connect. */
const OTHERS_WRITE = 0o002;
const GROUP_WRITE = 0o020;

/**
 * A script for any POSIX sh that makes room for a socket, publishes it when it is told to, and removes it at the end
 * of its input, which comes with the end of the connection too, however that ended.
 *
 * It answers in lines `name=value`; `end=` ends an answer. After its first answer it takes one command a line:
 * `publish new` (only where nothing is), `publish over` (replacing what it found), `check` (answers `lost=` when the
 * socket is not there any more or another's is), `remove`. The whole is one compound command, so that the shell has
 * read all of it before it reads a command.
 *
 * The owner's file beside the socket says whose it is: our token in the first line. Whatever token is not ours any
 * more is left alone, for by then another connection has taken the place.
 */
export function remoteSocketScript({ name, path, mode, group, run, serial, owner }: Place): string {
  const admitsGroup = (mode & GROUP_WRITE) !== 0;
  const admitsOthers = (mode & OTHERS_WRITE) !== 0;
  const doors = 0o700 | (admitsGroup ? 0o010 : 0) | (admitsOthers ? 0o001 : 0);
  return `{
umask 077
set -f
LC_ALL=C; export LC_ALL
name=${shellWord(name)}
public=${shellWord(path ?? "")}
group=${shellWord(group ?? "")}
mode=${mode.toString(8)} doors=${doors.toString(8)} shared=${doors === 0o700 ? "" : "yes"}
token=${run}.${String(serial).padStart(SERIAL_DIGITS, "0")}
record=${shellWord(owner)}
echo
echo ${MARK}
uid=$(id -u)
home= base= holder= aside= linked=
cleanup() {
  trap - EXIT
  [ -z "$aside" ] || rm -rf "$aside" "$holder.$token"
  there=
  [ -n "$holder" ] && [ -f "$holder" ] && read -r there <"$holder"
  if [ "$there" = "$token" ] || [ -n "$linked" ]; then rm -f "$public" "$holder"; fi
  [ -z "$home" ] || rmdir "$home" 2>/dev/null
  [ -z "$base" ] || rmdir "$base" 2>/dev/null
}
trap cleanup EXIT
trap 'exit 0' HUP INT TERM PIPE
problem() { echo "problem=$1"; echo "about=$2"; echo end=; exit 0; }
own() {
  mkdir -m 700 "$1" 2>/dev/null && return
  [ -e "$1" ] || [ -L "$1" ] || [ ! -w "\${1%/*}" ] || problem full "\${1%/*}"
  [ -d "$1" ] || problem directory "$1"
  [ ! -L "$1" ] && [ -O "$1" ] || problem foreign "$1"
  case $(ls -ld "$1") in d????-??-*) ;; *) problem open "$1" ;; esac
}
if [ -z "$public" ]; then
  if [ "$uid" = 0 ]; then base=/run/cardwire
  elif [ -n "$shared" ]; then home=/tmp/cardwire-share-$uid-$name
  elif [ -n "$XDG_RUNTIME_DIR" ] && [ -d "$XDG_RUNTIME_DIR" ]; then base=$XDG_RUNTIME_DIR/cardwire
  else base=/tmp/cardwire-$uid
  fi
  if [ -n "$base" ]; then own "$base"; home=$base/$name; fi
  own "$home"
  public=$home/pcscd.comm
fi
parent=\${public%/*}
[ -d "\${parent:-/}" ] || problem missing "$parent"
[ -w "\${parent:-/}" ] || problem denied "$parent"
holder=$public.owner
aside=$parent/.cardwire-$token
echo "user=$(id -un)"
echo "path=$public"
if [ -L "$public" ]; then found=other
elif [ -S "$public" ]; then found=socket
elif [ -e "$public" ]; then found=other
else found=nothing
fi
inode() { set -- $(ls -di "$1"); echo "$1"; }
if [ "$found" = socket ]; then
  seen=$(inode "$public")
  set -- $(ls -ld "$public")
  echo "file-owner=$3"
  if [ -f "$holder" ] && [ -O "$holder" ] && [ ! -L "$holder" ]; then
    { IFS= read -r old; IFS= read -r whose; } <"$holder"
    echo "run=\${old%.*}"
    echo "owner=$whose"
  fi
  echo "connect=$(perl -MSocket -MErrno -e '
    socket(S, PF_UNIX, SOCK_STREAM, 0) or exit;
    print connect(S, pack_sockaddr_un($ARGV[0])) ? "ok" : $!{ECONNREFUSED} ? "refused" : ""' "$public" 2>/dev/null)"
fi
echo "found=$found"
mkdir -m 700 "$aside" 2>/dev/null || problem full "$parent"
echo "fresh=$aside/s"
echo end=
publish() {
  [ -S "$aside/s" ] || problem lost "$aside/s"
  if [ -n "$group" ]; then
    chgrp -- "$group" "$aside/s" 2>/dev/null || problem group "$group"
    [ -z "$home" ] || chgrp -- "$group" "$home" 2>/dev/null || problem group "$group"
  fi
  chmod "$mode" "$aside/s" || problem denied "$parent"
  if [ "$1" = over ]; then
    # What we looked at is taken away; whatever came in its place meanwhile gets its name back.
    if mv "$public" "$aside/old" 2>/dev/null; then
      if [ "$(inode "$aside/old")" != "$seen" ]; then
        ln "$aside/old" "$public" 2>/dev/null
        problem taken "$public"
      fi
      rm -f "$holder"
    elif [ -e "$public" ]; then problem denied "$public"
    fi
  fi
  # A link fails where something is by now; a rename would replace it.
  if ln "$aside/s" "$public" 2>/dev/null; then linked=yes
  elif [ -e "$public" ] || [ -L "$public" ]; then problem taken "$public"
  else problem full "$parent"
  fi
  printf '%s\\n%s\\n' "$token" "$record" >"$holder.$token" && mv -f "$holder.$token" "$holder" || problem full "$parent"
  linked=
  rm -rf "$aside"
  [ -z "$home" ] || chmod "$doors" "$home"
  [ -z "$base" ] || [ -z "$shared" ] || chmod 711 "$base"
}
closed() {
  d=$parent
  while [ -n "$d" ]; do
    set -- $(ls -ldn "$d")
    case $4.$1 in
      $gid.??????[xs]*) ${admitsOthers ? 'case $1 in ?????????[xt]*) ;; *) echo "closed=$d" ;; esac' : ""} ;;
      $gid.*) echo "closed=$d" ;;
      *.?????????[xt]*) ;;
      *) echo "closed=$d" ;;
    esac
    d=\${d%/*}
  done
}
while IFS= read -r command; do
  case $command in
    "publish "*)
      publish "\${command#* }"
      set -- $(ls -ldn "$public")
      gid=$4
      ${doors === 0o700 ? ":" : "closed"}
      echo published=yes ;;
    check)
      there=
      [ -f "$holder" ] && read -r there <"$holder"
      if [ -S "$public" ] && [ "$there" = "$token" ]; then touch -c "$public" "$holder"
      else echo "lost=$public"
      fi 2>/dev/null ;;
    *) break ;;
  esac
  echo end=
done
cleanup
echo end=
exit 0
}
`;
}

/** The values of one answer, in the order they came: the last one of a name counts. */
export type Answer = ReadonlyMap<string, string>;

export function problemIn(answer: Answer): Problem | undefined {
  const problem = answer.get("problem");
  return problem === undefined ? undefined : { problem, about: answer.get("about") ?? "" };
}

/** @throws {TypeError} when a line is missing: that is no answer of the script's. */
export function lookIn(answer: Answer): Look {
  const [user, path, fresh, found] = ["user", "path", "fresh", "found"].map((key) =>
    answer.get(key),
  );
  const isKind = found === "nothing" || found === "socket" || found === "other";
  if (user === undefined || path === undefined || fresh === undefined || !isKind)
    throw new TypeError("an unfinished answer");
  const connect = answer.get("connect");
  return {
    user,
    path,
    fresh,
    found,
    fileOwner: answer.get("file-owner"),
    run: answer.get("run"),
    owner: answer.get("owner"),
    connect: connect === "ok" || connect === "refused" ? connect : undefined,
  };
}
