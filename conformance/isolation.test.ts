/** Host names, sysctl, masked and read-only paths. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { grant, useUserNamespace } from "./lib/spec.ts";

area();

for (const domain of ["hostname", "domainname"] as const) {
  check(`${domain} is set in a new uts namespace and the host keeps its own`, async (t) => {
    const file = `/proc/sys/kernel/${domain}`;
    const before = readFileSync(file, "utf8");
    const c = t.container((spec) => {
      spec[domain] = "con-tainer.example";
    });
    expect((await c.probe("report")).report[domain]).toBe("con-tainer.example");
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  check(`${domain} in the host's uts namespace is refused`, async (t) => {
    const before = readFileSync(`/proc/sys/kernel/${domain}`, "utf8");
    const c = t.container((spec) => {
      spec[domain] = "must-not-be";
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "uts");
    });
    expect((await c.run()).code).not.toBe(0);
    expect(readFileSync(`/proc/sys/kernel/${domain}`, "utf8")).toBe(before);
  });
}

check("sysctl values of the container's namespaces are set, and the host keeps its own", async (t) => {
  const before = readFileSync("/proc/sys/kernel/msgmax", "utf8");
  const c = t.container((spec) => {
    spec.linux.sysctl = {
      "net.ipv4.ip_forward": "1",
      "kernel.msgmax": "4321",
      "net.ipv4.ping_group_range": "3 5",
      "fs.mqueue.msg_max": "17",
    };
  });
  const names = [
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/kernel/msgmax",
    "/proc/sys/net/ipv4/ping_group_range",
    "/proc/sys/fs/mqueue/msg_max",
  ];
  const result = await c.probe(...names.map((name) => `read=${name}`));
  expect(names.map((name) => result.data(name).trim().replace(/\s+/g, " "))).toEqual(["1", "4321", "3 5", "17"]);
  expect(readFileSync("/proc/sys/kernel/msgmax", "utf8")).toBe(before);
});

check("sysctl names with slashes instead of dots work", async (t) => {
  const c = t.container((spec) => {
    spec.linux.sysctl = { "net/ipv4/conf/lo/forwarding": "1" };
  });
  const file = "/proc/sys/net/ipv4/conf/lo/forwarding";
  expect((await c.probe(`read=${file}`)).data(file).trim()).toBe("1");
});

for (const [name, namespace] of [
  ["net.ipv4.ip_forward", "network"],
  ["kernel.msgmax", "ipc"],
] as const)
  check(`sysctl ${name} in the host's ${namespace} namespace is refused`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== namespace);
      spec.linux.sysctl = { [name]: "1" };
    });
    expect((await c.run()).code).not.toBe(0);
  });

for (const [name, type, file] of [
  ["kernel.msgmax", "ipc", "ipc"],
  ["kernel.domainname", "uts", "uts"],
  ["net.ipv4.ip_forward", "network", "net"],
] as const)
  checkTsrunc(
    `sysctl ${name} in the host's ${type} namespace, joined by its path, is refused with its place`,
    async (t) => {
      const path = `/proc/sys/${name.replaceAll(".", "/")}`;
      const before = readFileSync(path, "utf8");
      const c = t.container((spec) => {
        spec.linux.namespaces = spec.linux.namespaces.filter((namespace) => namespace.type !== type);
        spec.linux.namespaces.push({ type, path: `/proc/self/ns/${file}` });
        spec.linux.sysctl = { [name]: "1" };
      });
      const { code, stderr } = await c.run();
      expect({ failed: code !== 0, after: readFileSync(path, "utf8") }).toEqual({ failed: true, after: before });
      expect(stderr).toContain(`/linux/sysctl/${name}: `);
    },
  );

for (const name of ["kernel.panic", "vm.swappiness", "kernel.core_pattern"])
  check(`sysctl ${name}, which belongs to no namespace, is refused and keeps its value`, async (t) => {
    const file = `/proc/sys/${name.replace(".", "/")}`;
    const before = readFileSync(file, "utf8");
    const c = t.container((spec) => {
      spec.linux.sysctl = { [name]: name === "kernel.core_pattern" ? "bad" : "7" };
    });
    expect((await c.run()).code).not.toBe(0);
    expect(readFileSync(file, "utf8")).toBe(before);
  });

check("maskedPaths: a file reads empty, a directory is empty, a missing path is left alone", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("secret"), "secret");
    mkdirSync(self.inside("vault"));
    writeFileSync(self.inside("vault/key"), "secret");
    spec.linux.maskedPaths = ["/secret", "/vault", "/missing", "/proc/kcore", "/proc/timer_list", "/vault"];
  });
  const result = await c.probe(
    "read=/secret",
    "write=/secret,x",
    "ls=/vault",
    "creat=/vault/new",
    "openr=/vault/key",
    "stat=/missing",
    "read=/proc/timer_list",
  );
  expect(result.data("/secret")).toBe("");
  expect(result.of("ls=/vault")).toEqual([]);
  expect(result.of("creat=/vault/new")).toBe("EROFS");
  expect(result.of("openr=/vault/key")).toBe("ENOENT");
  expect(result.of("stat=/missing")).toBe("ENOENT");
  expect(readFileSync(c.inside("secret"), "utf8")).toBe("secret");
});

check(
  "readonlyPaths: files and directories cannot be written, with what is mounted below, a missing path is left alone",
  async (t) => {
    const c = t.container((spec, self) => {
      writeFileSync(self.inside("file"), "text");
      mkdirSync(self.inside("dir"));
      spec.linux.readonlyPaths = ["/file", "/dir", "/missing", "/proc/sys", "/dir"];
    });
    const result = await c.probe(
      "report",
      "openw=/file",
      "read=/file",
      "creat=/dir/x",
      "openw=/proc/sys/kernel/msgmax",
      "stat=/missing",
    );
    expect(result.of("openw=/file")).toBe("EROFS");
    expect(result.data("/file")).toBe("text");
    expect([result.of("creat=/dir/x"), result.of("openw=/proc/sys/kernel/msgmax"), result.of("stat=/missing")]).toEqual(
      ["EROFS", "EROFS", "ENOENT"],
    );
    expect(result.mount("/proc/sys")?.options).toContain("ro");
  },
);

check("masked and read-only paths work in a user namespace", async (t) => {
  const c = t.container((spec, self) => {
    useUserNamespace(spec);
    writeFileSync(self.inside("secret"), "secret");
    spec.linux.maskedPaths = ["/secret", "/proc/acpi", "/proc/kcore"];
    spec.linux.readonlyPaths = ["/proc/sys", "/proc/bus"];
    grant(spec, "CAP_NET_ADMIN");
  });
  // One that this capability lets a user namespace's root write to on all kernels.
  const result = await c.probe("read=/secret", "openw=/proc/sys/net/ipv4/ip_forward");
  expect(result.data("/secret")).toBe("");
  expect(result.of("openw=/proc/sys/net/ipv4/ip_forward")).toBe("EROFS");
});
