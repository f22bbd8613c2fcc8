/** What went wrong with the op `busCall`, in the words of systemd and of the bus. */
import { errnoName, errnoPhrase } from "../sys/errno.ts";
import type { Label, Report } from "./report.ts";

/** The error of a step. `what`: `start unit x`. */
export function busMessage(step: string, what: string, { errno, detail }: Report): string {
  const text = printable(detail);
  switch (step) {
    case "connect":
      return `${what}: systemd cannot be reached: ${tried(detail)}`;
    case "auth":
      return `${what}: the bus refuses us: \`${text}\` in answer to AUTH EXTERNAL`;
    case "receive":
      return `${what}: \`${text}\` closed the connection before it had answered: ${errnoPhrase(errnoName(errno))}`;
    case "timeout":
      return `${what}: no answer of \`${text}\` in time: ${errnoPhrase(errnoName(errno))}`;
    case "malformed":
      return `${what}: \`${text}\` speaks no D-Bus: ${errnoPhrase(errnoName(errno))}`;
    case "call":
      return `${what}: ${refusal(text)}`;
    case "job":
      return `${what}: ${errno === 0 ? `the job's result is \`${text}\`` : "the job has not ended in time"}`;
    default:
      return `${what}: ${step} \`${text}\`: ${errnoPhrase(errnoName(errno))}`;
  }
}

/** Lines `PATH=ERRNO` of what was tried in turn. */
function tried(detail: string): string {
  const ways = detail.split("\n").filter((line) => line !== "");
  return ways
    .map((line) => {
      const at = line.lastIndexOf("=");
      return `connect \`${printable(line.slice(0, at))}\`: ${errnoPhrase(errnoName(Number(line.slice(at + 1))))}`;
    })
    .join(", ");
}

/** `NAME text` as `text (NAME)`. */
function refusal(detail: string): string {
  const at = detail.indexOf(" ");
  const [name, text] =
    at < 0
      ? [detail, ""]
      : [
          detail.slice(0, at),
          detail
            .slice(at + 1)
            .trim()
            .replace(/\.$/, ""),
        ];
  return text === "" ? name : `${text} (${name})`;
}

/** Text of another process, on one line and without what moves the cursor. */
function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
}

/** Where in config.json the property comes from that an error is about. */
export function busOrigin(step: string, { detail }: Report, label: Label | undefined): string | undefined {
  const [, , at, origins = {}] = label ?? [];
  const words = step === "call" ? detail.split(/[^A-Za-z]+/).slice(1) : [];
  const word = words.find((found) => Object.hasOwn(origins, found));
  return (word === undefined ? undefined : origins[word]) ?? at ?? undefined;
}

export function busHint(step: string, what: string, { detail }: Report): string | undefined {
  const unit = /`(.*)`/.exec(what)?.[1] ?? "";
  switch (step) {
    case "connect":
      return "is systemd running, and may this user reach it? without --systemd-cgroup tsrunc makes cgroups itself";
    case "auth":
      return "a bus takes the user that the kernel names: is the address, DBUS_SESSION_BUS_ADDRESS, that of another user?";
    case "receive":
    case "timeout":
      return "see `systemctl status` and the journal: systemd or the message bus may be overloaded, or about to end";
    case "job":
      return `see \`systemctl status ${unit}\` and the journal`;
    case "call":
      return callHint(detail.split(" ", 1)[0] ?? "", unit);
    default:
      return undefined;
  }
}

function callHint(name: string, unit: string): string | undefined {
  switch (name.slice(name.lastIndexOf(".") + 1)) {
    case "UnitExists":
      return `see \`systemctl status ${unit}\`; stop it, or name another unit in cgroupsPath`;
    case "PropertyReadOnly":
    case "UnknownProperty":
      return "this version of systemd does not know the property";
    case "AccessDenied":
    case "InteractiveAuthorizationRequired":
      return "only root may do this with the system's manager; others have their own: loginctl enable-linger";
    case "ServiceUnknown":
    case "NameHasNoOwner":
    case "Disconnected":
    case "NoReply":
      return "there is no systemd at this bus, or it does not answer";
    case "LimitsExceeded":
      return "the message bus has reached one of its limits";
    default:
      return undefined;
  }
}
