/** The real server and the real shop's page, as processes of a test. */
import { spawn, type ChildProcess } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const program = "maison-laurier";

/** What is tested; without it the tests of the real server are skipped. */
export const binary = process.env.GUERDON_BINARY ?? path("build/release/guerdon");

/** A port that nobody has now. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false>,
  seconds = 30,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface Posted {
  status: string;
  seq: number;
}

/** `guerdon serve` with a folder of its own. */
export class RealServer {
  readonly folder = mkdtempSync(join(tmpdir(), "guerdon-web-"));
  port = 0;
  #process?: ChildProcess;
  #orders = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Again after a kill: on the same port, with the same folder. */
  async start(): Promise<void> {
    const portFile = join(this.folder, "port");
    rmSync(portFile, { force: true });
    const log = openSync(join(this.folder, "server.log"), "a");
    const data = join(this.folder, "data");
    const listen = `127.0.0.1:${this.port}`;
    const environment = Object.entries(process.env).filter(([name]) => !/^GUERDON_/.test(name));
    this.#process = spawn(
      binary,
      ["serve", "--data", data, "--listen", listen, "--port-file", portFile],
      { stdio: ["ignore", log, log], env: Object.fromEntries(environment) },
    );
    closeSync(log);
    this.port = await until("the port file", async () => {
      return existsSync(portFile) && Number(readFileSync(portFile, "utf8"));
    });
    await until("ready", async () => {
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      return answer?.status === 200;
    });
  }

  /** SIGKILL, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async call<T>(method: string, where: string, body?: unknown, type = "json"): Promise<T> {
    const key = readFileSync(join(this.folder, "data", "admin.key"), "utf8").trim();
    const answer = await fetch(`${this.url}/v1/programs/${program}${where}`, {
      method,
      headers: { Authorization: `Bearer ${key}`, "Content-Type": `application/${type}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${text}`);
    return JSON.parse(text) as T;
  }

  /** The program of the examples, with these members who agreed to be named. */
  async create(names: Record<string, string>): Promise<void> {
    await this.call(
      "PUT",
      "",
      JSON.parse(readFileSync(path("docs/examples/maison-laurier.json"), "utf8")),
    );
    for (const [id, name] of Object.entries(names))
      await this.call("PUT", `/members/${id}`, { name, board: { shown: true } });
  }

  #post(type: string, order: string, id: string, data: object): Promise<Posted> {
    const event = {
      specversion: "1.0",
      id,
      source: "//maison-laurier/test",
      type,
      subject: `order/${order}`,
      time: new Date().toISOString(),
      data: { order_id: order, currency: "EUR", ...data },
    };
    return this.call<Posted>("POST", "/events", event, "cloudevents+json");
  }

  /** So many whole euros, a point each; the order's id. */
  async buy(member: string, euros: number): Promise<{ order: string; seq: number }> {
    const order = `w${++this.#orders}`;
    const amount = `${euros}.00`;
    const { status, seq } = await this.#post("order.paid", order, `${order}-paid`, {
      total: amount,
      customer: { id: member },
      lines: [{ line_id: "1", sku: "CAN-FIG", quantity: 1, amount }],
    });
    if (status !== "applied") throw new Error(`order ${order}: ${status}`);
    return { order, seq };
  }

  async refund(order: string, euros: number): Promise<void> {
    const { status } = await this.#post("order.refunded", order, `${order}-back`, {
      refund_id: `${order}-back`,
      lines: [{ line_id: "1", quantity: 1, amount: `${euros}.00` }],
    });
    if (status !== "applied") throw new Error(`refund of ${order}: ${status}`);
  }
}

/** web/shop/serve.py on `port`; whoever may not look at it is decided by the key. */
export class RealShop {
  #process?: ChildProcess;

  constructor(
    readonly server: RealServer,
    readonly port: number,
    readonly key: string,
    readonly shopper: { kid: string; secret: string },
    readonly members: Record<string, string>,
  ) {}

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const { folder } = this.server;
    const members = join(folder, "members.json");
    const secret = join(folder, "shopper-secret");
    const list = Object.entries(this.members).map(([id, name]) => ({ id, name }));
    writeFileSync(members, JSON.stringify(list));
    writeFileSync(secret, this.shopper.secret);
    const options = {
      server: this.server.url,
      key: this.key,
      board: "laurier",
      members,
      port: String(this.port),
      "token-kid": this.shopper.kid,
      "token-secret-file": secret,
    };
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn("/usr/bin/python3", [path("web/shop/serve.py"), ...flags]);
    this.#process = child;
    await new Promise((resolve, reject) => {
      child.stdout!.once("data", resolve);
      child.once("exit", (code) => reject(new Error(`serve.py ended with ${code}`)));
    });
  }

  stop(): void {
    this.#process?.kill();
  }
}
