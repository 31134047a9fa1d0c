/** What each setting means, in the two languages of the documentation. The tables in docs/ are made of this. */

/**
 * Languages of the documentation: English, and Chinese as written in mainland China. One word for one thing there too, as
 * Kubernetes' and Docker's own Chinese pages have them:
 *
 * mirror 镜像站 · public mirror 公共镜像站 · image 镜像 · registry 镜像仓库 · upstream 上游 · relay 中继（一台）· client 客户端 ·
 * office 办公室 · thin link 跨境链路 · machine overseas 境外机器 · Docker host at home 公司内的 Docker 主机 · host name 域名 · zone 域 ·
 * key 密钥（一把）· token 令牌 · passphrase 口令 · secret in settings 加密配置 · setting 配置 · rehearsal 演练 · stand-in, double 替身 ·
 * git repository 代码仓库. Left in English: tag, digest, manifest, blob, stack, front, cache, uplink. A repository of a
 * registry is 镜像. Punctuation in Chinese sentences is full-width, in tables too; 「」 are not used, “” are.
 */
export type Language = "en" | "zh";

/** A text in each language. */
export type Text = Readonly<Record<Language, string>>;

/** What a setting means. */
export interface Meaning extends Text {
    /** What holds where it is not set, when the schema does not say it as a value. */
    readonly otherwise?: Text;
}

const NONE: Text = { en: "none", zh: "无" };

/** By path: every field that `stacks/settings.ts` knows. */
export const MEANINGS: Readonly<Record<string, Meaning>> = {
    zone: {
        en: "Cloudflare zone that the relays' host names are in; looked up, unless `createZone`",
        zh: "中继域名所在的 Cloudflare 域；按名字查找，除非设了 `createZone`",
        otherwise: {
            en: "none; `edge` needs it, and a machine that is made with `tls: acme`",
            zh: "无；有 `edge` 时必填，机器由 stack 创建且 `tls: acme` 时也必填",
        },
    },
    "createZone.accountId": {
        en: "makes the zone in this Cloudflare account, in a first run of its own",
        zh: "在这个 Cloudflare 账号里创建这个域，单独跑一次",
        otherwise: { en: "the zone is looked up", zh: "按名字查找" },
    },
    zoneReady: {
        en: "the zone of `createZone` is active: make the rest",
        zh: "`createZone` 的域已激活：创建其余部分",
        otherwise: { en: "`false`", zh: "`false`" },
    },
    "edge.accountId": { en: "Cloudflare account, 32 hex digits", zh: "Cloudflare 账号 ID，32 位十六进制" },
    "edge.hostname": { en: "the Worker's host name, in `zone`", zh: "Worker 的域名，要在 `zone` 里" },
    "overseas.kind": {
        en: "the machine: made at EC2 or at Lightsail, or one that is there",
        zh: "机器：在 EC2 或 Lightsail 上创建，或用一台现成的",
    },
    "overseas.hostname": {
        en: "relay 1's host name, in `zone` if that is set",
        zh: "中继 1 的域名；设了 `zone` 就要在它里面",
    },
    "overseas.tls": {
        en: "where its certificate comes from; not together with `certificate`",
        zh: "证书从哪里来；不能和 `certificate` 同时写",
        otherwise: {
            en: "`acme` for `ec2` and `lightsail`, `privateCa` for `host`",
            zh: "`ec2` 和 `lightsail` 是 `acme`，`host` 是 `privateCa`",
        },
    },
    "overseas.certificate": {
        en: "certificate chain, PEM, leaf first; its key is the secret `overseasCertificateKey`",
        zh: "证书链，PEM，服务器证书在最前；私钥是加密配置 `overseasCertificateKey`",
        otherwise: { en: "none: see `tls`", zh: "无：见 `tls`" },
    },
    "overseas.acmeServer": {
        en: "https URL of an ACME directory that everybody trusts",
        zh: "ACME directory 的 https URL，要公共可信",
        otherwise: { en: "Let's Encrypt", zh: "Let's Encrypt" },
    },
    "overseas.acmeEmail": {
        en: "where the authority may write to",
        zh: "颁发机构联系你的邮箱",
        otherwise: { en: "`hostmaster@` the host name", zh: "`hostmaster@` 加中继域名" },
    },
    "overseas.acmeChallenge": {
        en: "how the name is proved; `dns-01` needs `zone` and the secret `acmeDnsToken`, and no port 80",
        zh: "怎样证明域名归你；`dns-01` 要有 `zone` 和加密配置 `acmeDnsToken`，不用 80 端口",
        otherwise: { en: "`http-01`", zh: "`http-01`" },
    },
    "overseas.region": { en: "AWS region; Lightsail is not in all", zh: "AWS 区域；Lightsail 不是每个区域都有" },
    "overseas.sshFrom": {
        en: "address ranges that may log in, an IPv4 one among them",
        zh: "可以登录的地址段，至少有一个 IPv4",
    },
    "overseas.sshFromAnywhere": {
        en: "must be `true` when `sshFrom` is wider than an IPv4 /8 or an IPv6 /16",
        zh: "`sshFrom` 比 IPv4 /8 或 IPv6 /16 还宽时必须设为 `true`",
    },
    "overseas.generation": { en: "raise it by one for another machine", zh: "加一就换一台新机器" },
    "overseas.rebootAt": {
        en: "when upgrades may restart it, `HH:MM` in UTC; laid at the first boot",
        zh: "安全更新可以在什么时候重启机器，`HH:MM`，UTC；第一次启动时写入",
    },
    "overseas.ipv6": {
        en: "an IPv6 address and AAAA record too; `ec2` needs `subnetId` then",
        zh: "同时有 IPv6 地址和 AAAA 记录；`ec2` 这时要有 `subnetId`",
    },
    "overseas.instanceType": {
        en: "its family decides the architecture: `t4g`, `c7g` are arm64, `t3`, `c7i` x86-64",
        zh: "系列决定架构：`t4g`、`c7g` 是 arm64，`t3`、`c7i` 是 x86-64",
    },
    "overseas.diskGiB": { en: "disk; may grow, not shrink", zh: "磁盘；可以扩大，不能缩小" },
    "overseas.subnetId": {
        en: "a public subnet",
        zh: "公有子网",
        otherwise: { en: "one of the default VPC", zh: "默认 VPC 里的一个" },
    },
    "overseas.availabilityZone": { en: "its last letter", zh: "可用区的最后一个字母" },
    "overseas.bundle": {
        en: "size, a Linux bundle with IPv4",
        zh: "套餐，Linux、带 IPv4",
        otherwise: { en: "the 1 GB one; four regions need it said", zh: "1 GB 的那个；有四个区域必须自己写" },
    },
    "overseas.address": {
        en: "its public IPv4 address, for SSH and DNS",
        zh: "公网 IPv4，用于 SSH 和 DNS",
    },
    "overseas.ipv6Address": { en: "its public IPv6 address, for an AAAA record", zh: "公网 IPv6，用于 AAAA 记录" },
    "overseas.user": {
        en: "SSH user; another than root needs `sudo` without a password",
        zh: "SSH 用户；不是 root 的话要能免密 `sudo`",
    },
    "overseas.port": { en: "SSH port", zh: "SSH 端口" },
    "overseas.hostKey": {
        en: "a line of `/etc/ssh/ssh_host_*_key.pub`; pins the machine",
        zh: "`/etc/ssh/ssh_host_*_key.pub` 里的一行，用来锁定这台机器",
        otherwise: { en: "none: whoever answers is believed", zh: "无：谁应答就信谁" },
    },
    "onprem.docker": {
        en: "`ssh://user@host[:port]` or `unix:///var/run/docker.sock`",
        zh: "`ssh://user@host[:port]` 或 `unix:///var/run/docker.sock`",
    },
    "onprem.hostname": { en: "what clients call the mirror", zh: "客户端使用的镜像站域名" },
    "onprem.port": { en: "HTTPS port on the Docker host", zh: "Docker 主机上的 HTTPS 端口" },
    "onprem.listenOn": {
        en: "IPv4 address of the Docker host that the port is published on",
        zh: "在 Docker 主机的哪个 IPv4 地址上开放这个端口",
    },
    "onprem.limits.front.memoryMiB": {
        en: "memory that the container `front` may take, MiB",
        zh: "容器 `front` 最多用多少内存，MiB",
        otherwise: { en: "1024", zh: "1024" },
    },
    "onprem.limits.front.cpus": {
        en: "CPUs that it may take, such as `1.5`",
        zh: "最多用几个 CPU，例如 `1.5`",
        otherwise: { en: "all", zh: "全部" },
    },
    "onprem.limits.front.pids": {
        en: "processes and threads that it may have",
        zh: "最多有多少进程和线程",
        otherwise: { en: "256", zh: "256" },
    },
    "onprem.limits.cache.memoryMiB": {
        en: "memory that the container `cache` may take, MiB",
        zh: "容器 `cache` 最多用多少内存，MiB",
        otherwise: { en: "2048", zh: "2048" },
    },
    "onprem.limits.cache.cpus": {
        en: "CPUs that it may take, such as `1.5`",
        zh: "最多用几个 CPU，例如 `1.5`",
        otherwise: { en: "all", zh: "全部" },
    },
    "onprem.limits.cache.pids": {
        en: "processes and threads that it may have",
        zh: "最多有多少进程和线程",
        otherwise: { en: "1024", zh: "1024" },
    },
    "onprem.limits.uplink.memoryMiB": {
        en: "memory that the container `uplink` may take, MiB",
        zh: "容器 `uplink` 最多用多少内存，MiB",
        otherwise: { en: "1024", zh: "1024" },
    },
    "onprem.limits.uplink.cpus": {
        en: "CPUs that it may take, such as `1.5`",
        zh: "最多用几个 CPU，例如 `1.5`",
        otherwise: { en: "all", zh: "全部" },
    },
    "onprem.limits.uplink.pids": {
        en: "processes and threads that it may have",
        zh: "最多有多少进程和线程",
        otherwise: { en: "256", zh: "256" },
    },
    "onprem.engine": { en: "`registry` is the only engine so far", zh: "目前只有 `registry`" },
    "onprem.registryVersion": {
        en: "version of registry: 3.1 or newer, or 2.8.x",
        zh: "registry 的版本：3.1 及以上，或 2.8.x",
        otherwise: { en: "that of `onprem.imageList`", zh: "`onprem.imageList` 里的版本" },
    },
    "onprem.allowFrom": { en: "address ranges that may pull", zh: "允许拉取的地址段" },
    "onprem.allowFromPublic": {
        en: "must be `true` when `allowFrom` has public addresses",
        zh: "`allowFrom` 里有公网地址时必须设为 `true`",
    },
    "onprem.canary": {
        en: "small public image that each changed `up` ends by asking for, through the mirror and every relay",
        zh: "小的公开镜像：每次有改动的 `up` 最后都会经镜像站和每台中继请求它",
        otherwise: {
            en: "`docker.io/library/hello-world:latest`, or one of another upstream",
            zh: "`docker.io/library/hello-world:latest`，或另一个上游的镜像",
        },
    },
    "onprem.spoolBudgetGiB": {
        en: "disk for downloads in flight, GiB; the cache comes on top",
        zh: "正在下载的数据占用的磁盘，GiB；缓存本身另算",
    },
    "onprem.key": {
        en: "which of `keys` this site uses at the relays of its own stack",
        zh: "本站点在自己 stack 的中继上用 `keys` 里的哪一把",
        otherwise: { en: "the first", zh: "第一把" },
    },
    "onprem.certificate": {
        en: "certificate chain that clients trust, PEM; its key is the secret `onpremCertificateKey`",
        zh: "客户端信任的证书链，PEM；私钥是加密配置 `onpremCertificateKey`",
        otherwise: { en: "a private CA", zh: "私有 CA" },
    },
    "onprem.ca": {
        en: "a private CA that was made before, PEM: it signs the mirror's certificate, with its key in the secret `onpremCaKey`",
        zh: "以前生成的私有 CA，PEM：由它签发镜像站的证书，私钥是加密配置 `onpremCaKey`",
        otherwise: { en: "the stack makes one", zh: "由 stack 生成" },
    },
    "onprem.images.from": {
        en: "where the host gets its own three images",
        zh: "Docker 主机从哪里拿它自己的三个镜像",
        otherwise: { en: "`relay`", zh: "`relay`" },
    },
    "onprem.images.registry": {
        en: "a registry with an optional path, such as `harbor.acme.lan/library`",
        zh: "一个镜像仓库，可以带路径，例如 `harbor.acme.lan/library`",
    },
    "onprem.images.archive": {
        en: "a file of `docker save` on the computer that runs Pulumi",
        zh: "运行 Pulumi 的电脑上的一个 `docker save` 文件",
    },
    "onprem.imageList": {
        en: "file with the tags of these images and, where `npm run images` has written them, their digests",
        zh: "一个文件：这些镜像的 tag，以及由 `npm run images` 写入的 digest",
    },
    "relays[].stack": {
        en: "relays of another stack, by reference: `acme-tokyo`, or `<organization>/dockermirror/acme-tokyo`",
        zh: "按引用使用另一个 stack 的中继：`acme-tokyo`，或 `<organization>/dockermirror/acme-tokyo`",
    },
    "relays[].relay": {
        en: "only this one of them: `nginx` or `worker`",
        zh: "只用其中这一台：`nginx` 或 `worker`",
        otherwise: { en: "all, in that stack's order", zh: "全部，按那个 stack 里的顺序" },
    },
    "relays[].key": {
        en: "which of that stack's `keys`",
        zh: "用那个 stack 的 `keys` 里的哪一把",
        otherwise: { en: "its only one", zh: "唯一的那把" },
    },
    "relays[].name": {
        en: "a relay by its host name: a short name for logs and metrics",
        zh: "按域名使用一台中继：日志和指标里用的短名",
    },
    "relays[].hostname": { en: "its host name", zh: "它的域名" },
    "relays[].address": {
        en: "address for the uplink to connect to, in place of DNS; the Docker host still asks DNS when its images come from this relay",
        zh: "uplink 连接时用的地址，代替 DNS；镜像也从这台中继来时，Docker 主机仍然走 DNS",
    },
    "relays[].ca": {
        en: "PEM of its private CA",
        zh: "这台中继的私有 CA，PEM",
        otherwise: { en: "none: publicly trusted", zh: "无：公共 CA 签发" },
    },
    upstreams: {
        en: "registries that are relayed",
        zh: "中继哪些上游镜像仓库",
        otherwise: { en: "all of them", zh: "全部" },
    },
    redirectHosts: {
        en: "by upstream: hosts that it may redirect this stack's relays to, beside those that they know; a name, or a glob within the vendor's own domain",
        zh: "按上游填写：除内置表之外，允许它把本 stack 的中继重定向到哪些主机；写主机名，或厂商自己域名下的通配",
        otherwise: { en: "none", zh: "无" },
    },
    publicMirrors: { en: "not supported yet: leave it out", zh: "还不支持，不要写" },
    "keys[].name": {
        en: "one key an office, a-z, 0-9 and `-`",
        zh: "每个办公室一把密钥，用 a-z、0-9 和 `-`",
        otherwise: { en: "one key, `default`", zh: "一把，名为 `default`" },
    },
    "keys[].generation": { en: "counts up with each rotation", zh: "每轮换一次加一" },
    access: {
        en: "who may use the relays; `public`: whoever comes, limited per address, public images only",
        zh: "谁可以用中继；`public`：谁都能用，按地址限速，只能拉公开镜像",
        otherwise: { en: "`keys`", zh: "`keys`" },
    },
    abuseContact: {
        en: "with `access: public`: where people complain to, such as `mailto:abuse@example.org` or an https URL",
        zh: "`access: public` 时：投诉联系方式，例如 `mailto:abuse@example.org`，或一个 https URL",
        otherwise: { en: "none; `access: public` needs it", zh: "无；`access: public` 时必填" },
    },
    "publicLimit.requestsPerMinute": {
        en: "with `access: public`: of an address without a key",
        zh: "`access: public` 时：没有密钥的每个地址每分钟的请求数",
        otherwise: { en: "`300`", zh: "`300`" },
    },
    "hub.username": {
        en: "Docker Hub account that the relays pull with; needs the secret `hubToken`",
        zh: "中继拉取时用的 Docker Hub 账号；要有加密配置 `hubToken`",
        otherwise: { en: "none: anonymous", zh: "无：匿名" },
    },
    "privateAccounts[].upstream": {
        en: "registry of an account that opens private repositories to **everybody** who has a key or reaches a mirror",
        zh: "账号所在的上游；它列出的私有镜像会对**每一个**有密钥或能访问镜像站的人开放",
    },
    "privateAccounts[].username": {
        en: "the account; its token stands in the secret `privateTokens`",
        zh: "账号；令牌放在加密配置 `privateTokens` 里",
    },
    "privateAccounts[].repositories": {
        en: "what it opens: `acme/app`, or `acme/*` for all below `acme/`",
        zh: "开放哪些：`acme/app`，或用 `acme/*` 表示 `acme/` 下的全部",
    },
};

/** Of each secret. */
export const SECRET_MEANINGS: Readonly<Record<string, Meaning>> = {
    hubToken: { en: "access token of `hub.username`", zh: "`hub.username` 的访问令牌", otherwise: NONE },
    privateTokens: {
        en: 'tokens of `privateAccounts`, one an account: `{"ghcr.io/acme-bot": "…"}`',
        zh: '`privateAccounts` 的令牌，一个账号一个：`{"ghcr.io/acme-bot": "…"}`',
        otherwise: NONE,
    },
    relayKey: {
        en: "the key that those of `relays` ask for that have a host name",
        zh: "`relays` 里按域名写的那些中继要的密钥",
        otherwise: { en: "none; needed with them", zh: "无；有它们时必填" },
    },
    relayKeys: {
        en: 'keys of your own, `{"acme.1": "…"}`, 40 or more letters and digits each',
        zh: '自己指定的密钥，`{"acme.1": "…"}`，每把至少 40 个字母和数字',
        otherwise: { en: "keys are made", zh: "自动生成" },
    },
    sshPrivateKey: {
        en: "for a VM of kind `host`; the on-prem host is reached by your own `ssh`",
        zh: "登录 `host` 类型的境外机器用；公司内主机走你自己的 `ssh`",
        otherwise: { en: "your SSH agent", zh: "你的 SSH agent" },
    },
    overseasCertificateKey: {
        en: "private key of `overseas.certificate`",
        zh: "`overseas.certificate` 的私钥",
        otherwise: NONE,
    },
    onpremCertificateKey: {
        en: "private key of `onprem.certificate`",
        zh: "`onprem.certificate` 的私钥",
        otherwise: NONE,
    },
    onpremCaKey: {
        en: "private key of `onprem.ca`",
        zh: "`onprem.ca` 的私钥",
        otherwise: NONE,
    },
    acmeDnsToken: {
        en: "Cloudflare token for `acmeChallenge: dns-01`",
        zh: "`acmeChallenge: dns-01` 用的 Cloudflare 令牌",
        otherwise: { en: "none; needed with it", zh: "无；用 dns-01 时必填" },
    },
};
