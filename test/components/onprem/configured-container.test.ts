/** Front and uplink on real Docker: their files are swapped without replacing them, and without root. */
import assert from "node:assert/strict";
import { fileLines } from "../../../components/onprem/file-lines";
import { Front, type FrontArgs } from "../../../components/onprem/front";
import { Uplink, type UplinkArgs } from "../../../components/onprem/uplink";
import { issue, makeCa } from "../../../rehearsal/pki";
import { attempt } from "../../../rehearsal/run";
import { selectUpstreams } from "../../../services/registry/upstreams";
import { type Deployed, deploy, reveal } from "../../support/deploy";
import { DeployedContainers, DOCKER_HOST } from "../../support/deployed-containers";

const KEY = "sentinel-key-sentinel-key-sentinel-key-1";
const HOSTNAME = "mirror.acme.lan";

describe("On-prem containers, on real Docker", function () {
    this.timeout(300_000);
    const containers = new DeployedContainers("configured");
    const { docker } = containers;
    const ca = makeCa("front");
    const { cert, key } = issue(ca, [HOSTNAME]);
    let image: string;
    let network: string;
    let storeVolume: string;

    before(async () => {
        [image, network, storeVolume] = await Promise.all([
            containers.image(),
            containers.network(),
            containers.volume("store"),
        ]);
    });
    after(() => containers.close());

    const state = async (name: string) =>
        (await docker.run(["inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.State.Pid}}", name])).trim();
    const inside = async (name: string, command: string) =>
        (await docker.run(["exec", name, "sh", "-c", command])).trim();

    describe("the front", () => {
        let name: string;
        const front = (change: Partial<FrontArgs> = {}): Promise<Deployed> =>
            deploy(() => {
                const args = {
                    docker: DOCKER_HOST,
                    hostname: HOSTNAME,
                    // Of this machine any that is free.
                    port: 0,
                    network,
                    storeVolume,
                    upstreams: selectUpstreams(["docker.io"]),
                    tls: { certificate: cert, key },
                    allowFrom: ["10.0.0.0/8", "127.0.0.0/8"],
                    image,
                    transform: { container: { name: containers.named("front") } },
                };
                new Front("front", { ...args, ...change });
                return {};
            });
        const page = () => inside(name, "wget -q -O - --no-check-certificate https://127.0.0.1:8443/");

        it("is made, and has its files when its command has ended", async () => {
            name = await containers.deploy(await front());
            assert.match(await page(), /This is mirror\.acme\.lan.*\n.*\n.*\nIt serves images of docker\.io\./);
        });

        it("takes other files over while it runs", async () => {
            const before = await state(name);
            const changed = await front({ upstreams: selectUpstreams(["docker.io", "quay.io"]) });
            await containers.succeed(changed, "-trial");
            await containers.succeed(changed, "-files");
            assert.match(await page(), /It serves images of docker\.io, quay\.io\./);
            assert.equal(await state(name), before);
        });

        it("keeps its files when a check refuses others, and says what the program says", async () => {
            const broken = await front({ allowFrom: ["nowhere"] });
            const before = await state(name);
            const trial = await containers.command(broken, "-trial");
            assert.equal(trial.code, 1);
            assert.match(
                trial.stderr,
                /\[emerg\].*invalid network "nowhere" in \/config\/current\/front\/server\.conf/,
            );
            assert.match(
                trial.stderr,
                /the front's configuration cannot be used, see above; what ran before still runs/,
            );
            const files = await containers.command(broken, "-files");
            assert.equal(files.code, 1);
            assert.match(
                files.stderr,
                /\[emerg\].*invalid network "nowhere" in \/config\/[0-9a-f]{12}\/front\/server\.conf/,
            );
            assert.match(await page(), /quay\.io/);
            assert.equal(await state(name), before);
            await docker.run(["restart", "--time", "5", name]);
            assert.match(await inside(name, "sleep 1; readlink /config/current"), /^[0-9a-f]{12}$/);
            assert.match(await page(), /quay\.io/);
        });

        it("has no root, no capability and nothing to write", async () => {
            const status = await inside(name, "cat /proc/1/status");
            assert.match(status, /^Uid:\t101\t101\t101\t101$/m);
            assert.match(status, /^CapBnd:\t0000000000000000$/m);
            assert.match(status, /^NoNewPrivs:\t1$/m);
            for (const path of ["/file", "/config/file", "/config/current/nginx.conf", "/var/lib/registry/file"]) {
                await assert.rejects(inside(name, `echo x >>${path}`), /Read-only file system|Permission denied/, path);
            }
            assert.match(await inside(name, "ls -lnR /config/current/"), /-rw-r----- 1 0 101 .* key\.pem/);
            const limits = await docker.run([
                "inspect",
                "--format",
                "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}",
                name,
            ]);
            assert.equal(limits.trim(), `${1024 ** 3} 256`);
        });

        it("is filled again when its volume was lost", async () => {
            await docker.run(["rm", "--force", "--volumes", name]);
            await docker.run(["volume", "rm", `${name}-config`]);
            const same = await front();
            await containers.make(same);
            await containers.succeed(same, "-files");
            assert.match(await page(), /It serves images of docker\.io\./);
        });

        it("keeps two versions of its files at most", async () => {
            for (const allowFrom of [["10.0.0.0/9"], ["10.0.0.0/10"], ["10.0.0.0/11"], ["127.0.0.0/8"]]) {
                await containers.succeed(await front({ allowFrom }), "-files");
            }
            const there = (await inside(name, "ls /config")).split("\n");
            assert.equal(there.length, 3, there.join());
        });
    });

    describe("the uplink", () => {
        let name: string;
        let spoolVolume: string;
        before(async () => {
            spoolVolume = await containers.volume("spool");
        });
        const uplink = (change: Partial<UplinkArgs> = {}): Promise<Deployed> =>
            deploy(() => {
                const args = {
                    docker: DOCKER_HOST,
                    relays: [{ name: "nginx", hostname: "vm.example.com", key: KEY }],
                    upstreams: selectUpstreams(["docker.io"]),
                    network,
                    storeVolume,
                    spoolVolume,
                    image,
                    transform: { container: { name: containers.named("uplink") } },
                };
                new Uplink("uplink", { ...args, ...change });
                return {};
            });
        const relays = async () => {
            const ask = 'fetch("http://127.0.0.1:5000/status").then((a) => a.text()).then(console.log)';
            const status = await docker.run(["exec", name, "node", "--eval", ask]);
            return JSON.parse(status).relays.map((relay: { name: string }) => relay.name);
        };

        it("is made, and takes other relays over while it runs", async () => {
            name = await containers.deploy(await uplink());
            assert.deepEqual(await relays(), ["nginx"]);
            const before = await state(name);
            const changed = await uplink({
                docker: "ssh://ops@docker.example.com:2222",
                relays: [{ name: "worker", hostname: "hub.example.com", key: KEY }],
            });
            await containers.succeed(changed, "-trial");
            await containers.succeed(changed, "-files");
            assert.deepEqual(await relays(), ["worker"]);
            assert.equal(await state(name), before);
        });

        it("refuses what the program refuses, without showing a key", async () => {
            const { code, stderr } = await containers.command(await uplink({ spoolBudgetGiB: -1 }), "-trial");
            assert.equal(code, 1);
            assert.match(stderr, /\/config\/current\/uplink\.json cannot be used:\n {2}spool\.budgetGiB {2}must be/);
            assert.ok(!stderr.includes(KEY));
        });

        it("can write its volumes, also one that was lost and made again, and the cache's", async () => {
            const owners = () => inside(name, "stat -c %u /var/spool/dockermirror /var/lib/registry");
            assert.equal(await owners(), "1000\n1000");
            await docker.run(["rm", "--force", "--volumes", name]);
            await docker.run(["volume", "rm", spoolVolume]);
            await docker.run(["volume", "create", spoolVolume]);
            const same = await uplink({ relays: [{ name: "worker", hostname: "hub.example.com", key: KEY }] });
            name = await containers.deploy(same);
            assert.equal(await owners(), "1000\n1000");
            assert.deepEqual(await relays(), ["worker"]);
        });

        it("has no root, and reads its key where nobody else can", async () => {
            assert.match(await inside(name, "cat /proc/1/status"), /^Uid:\t1000\t1000\t1000\t1000$/m);
            assert.match(await inside(name, "ls -ln /config/current/"), /-rw-r----- 1 0 1000 .* uplink\.json/);
        });

        it("is restarted with another program, and has the one before again when that one does not work", async () => {
            const deployed = await uplink({ spoolBudgetGiB: 3 });
            const before = await state(name);
            const { inputs } = deployed.resources.find(({ name: own }) => own === "uplink-files")!;
            assert.match(inputs.create, /^cat - '\.dockermirror\/uplink\.js\.line' \| /);
            const line = fileLines({ "uplink.js": 'if (process.argv[2] !== "--check") process.exit(7);' });
            const create = inputs.create
                .replace(/^cat - '[^']*'/, `{ cat; echo '${line.trimEnd()}'; }`)
                .replace(/^patience=\d+$/m, "patience=5");
            const ran = await attempt("/bin/sh", ["-c", create], { input: reveal(inputs.stdin) });
            assert.equal(ran.code, 1);
            assert.match(
                ran.stderr,
                /the uplink's configuration was not taken over in time, so that what was there before/,
            );
            assert.deepEqual(await relays(), ["worker"]);
            assert.notEqual(await state(name), before);
        });
    });
});
