/**
 * The Chinese of every sentence that the programs say, beside its English. Words as in the Chinese pages: the glossary is
 * with `Language` in stacks/meanings.ts. Names of settings, commands and other programs' own words stay as they are.
 */

/** What `say` says. A sentence that is missing here cannot be said: it is no key. Both sides have the same holes. */
export const SAID = {
    // How they are used.
    [`npm run check -- --stack NAME

Reads stacks/Pulumi.NAME.yaml as the program will, and lists every problem of it. Asks no service, needs no network, no login
and no Pulumi, and changes nothing: what an encrypted secret is stays unknown to it. What only others know, such as what a
token may do, is for npm run preflight. Exits with 0 when the settings can be used, with 1 when they cannot.

  --stack NAME  whose file is read
`]: `npm run check -- --stack NAME

按程序的方式读 stacks/Pulumi.NAME.yaml，一次列出全部问题。不询问任何服务，不需要联网、登录或 Pulumi，也不改任何东西：
加密配置的内容它看不到。只有别人才知道的，例如令牌能做什么，由 npm run preflight 检查。配置可用时以 0 退出，否则以 1 退出。

  --stack NAME  读哪个 stack 的文件
`,
    [`npm run preflight -- [--stack NAME] [--json FILE]
npm run preflight -- --list | --fetch-plugins FILE.tar [--platform NAME]

Looks whether this machine can run Pulumi for a stack: what it must reach, and what its tokens may do. Changes nothing.
Exits with 1 when something that the stack needs does not work. The settings alone, at once: npm run check.

  --stack NAME              check what this stack needs; without it only what every stack needs, and what of Cloudflare and
                            AWS can be seen
  --json FILE               also write what was found as JSON
  --fetch-plugins FILE.tar  on a machine that can: download Pulumi and its provider plugins, with an install.sh
  --platform NAME           for that: {platforms}; default: this machine's
  --list                    print their URLs, for somebody else to download
`]: `npm run preflight -- [--stack NAME] [--json FILE]
npm run preflight -- --list | --fetch-plugins FILE.tar [--platform NAME]

检查这台机器能不能为一个 stack 运行 Pulumi：要连得上哪些地方，令牌能做什么。什么都不改。
stack 需要的东西有一项不行就以 1 退出。只看配置、立刻出结果：npm run check。

  --stack NAME              检查这个 stack 需要的；不写就只检查所有 stack 都需要的，以及 Cloudflare 和 AWS 看得到的部分
  --json FILE               同时把结果写成 JSON
  --fetch-plugins FILE.tar  在连得上的机器上：下载 Pulumi 和各个 provider 插件，并附上 install.sh
  --platform NAME           配合上一项：{platforms}；默认是这台机器的
  --list                    打印下载地址，可以交给别人去下载
`,
    [`npm run doctor -- [--stack NAME] [--json FILE]

Looks at what a stack made: the machine overseas from within, by SSH; the relays and the mirror as clients see them;
the containers at home. Changes nothing. Exits with 1 when something is wrong.

  --stack NAME  default: the stack that is selected
  --json FILE   also write what was found as JSON
`]: `npm run doctor -- [--stack NAME] [--json FILE]

检查一个 stack 创建的东西：通过 SSH 从里面看境外机器，像客户端那样看中继和镜像站，再看公司内的容器。
什么都不改。有问题就以 1 退出。

  --stack NAME  默认是当前选中的 stack
  --json FILE   同时把结果写成 JSON
`,

    // How a command line is read.
    "Unknown option '{rawName}'{suggestion}": "没有 {rawName} 这个参数{suggestion}",
    '{rawName} takes no value, got "{value}"': "{rawName} 不带值，却写了“{value}”",
    "{rawName} must have a value": "{rawName} 后面要有值",
    "{rawName} must not be there twice": "{rawName} 不能写两次",
    '"{word}" belongs to no flag: npm passes flags on only after --, as in npm run NAME -- --flag value':
        "“{word}” 不属于任何参数：npm 只传递 -- 之后的参数，例如 npm run NAME -- --flag value",
    "ENOENT: there is no folder {folder}": "ENOENT：没有目录 {folder}",
    "--{flag} {path} cannot be written: {reason}": "--{flag} {path} 无法写入：{reason}",
    "--stack must be given": "必须写 --stack",

    // Connections.
    "HTTPS goes through it (HTTPS_PROXY)": "HTTPS 走这个代理（HTTPS_PROXY）",
    "its name is not found": "找不到这个域名",
    "the resolver does not answer": "DNS 不应答",
    "the connection is refused": "连接被拒绝",
    "the connection is cut": "连接被切断",
    "there is no way to its address": "没有到这个地址的路由",
    "it shows another host's certificate: something answers in its place": "出示的是另一个主机的证书：应答的不是它本身",
    "no answer within {seconds} s": "{seconds} 秒内没有应答",
    "its certificate is not trusted ({code}): something answers in its place": "证书不可信（{code}）：应答的不是它本身",
    "answers {status}": "返回 {status}",
    answers: "有应答",
    proxy: "代理",

    // Relays and mirror, from outside.
    "relay: TLS": "中继：TLS",
    "relay: with a key": "中继：带密钥",
    "relay: without a key": "中继：不带密钥",
    "mirror: TLS": "镜像站：TLS",
    "mirror: health": "镜像站：健康检查",
    "is let in": "放行",
    "is let in, as the settings say": "放行，和配置一致",
    "is refused": "被拒绝",
    "/v2/ answers {status} in place of 200": "/v2/ 返回 {status}，应为 200",
    "/v2/ answers {status} in place of 401": "/v2/ 返回 {status}，应为 401",
    "/healthz answers {status} in place of 200": "/healthz 返回 {status}，应为 200",
    "is refused by something that is not the relay: it asks {asked}": "拒绝请求的不是中继：它要求的是 {asked}",
    "docker ps on the Docker host; the name must lead there in your own DNS":
        "在 Docker 主机上执行 docker ps；内网 DNS 里这个域名要指向那台主机",
    "{days} days left, until {date}": "还剩 {days} 天，到 {date}",
    "see the rows of the machine for the last renewal; without ACME: pulumi up, or a new certificate of your own":
        "最近一次续期见境外机器的各行；没用 ACME 时：执行 pulumi up，或换上你自己的新证书",
    "the relay has other keys than the stack: {command}; the Worker: pulumi up --refresh":
        "中继上的密钥和 stack 里的不同：{command}；Worker：pulumi up --refresh",
    "ask who runs the relay for the key that is valid now, then pulumi config set --secret dockermirror:relayKey":
        "向中继的运营者要现在有效的密钥，再执行 pulumi config set --secret dockermirror:relayKey",
    "relays of {stack}": "{stack} 的中继",
    "the stack must be in the same backend, and its secrets to be decrypted here: the same passphrase, or the right to its KMS key":
        "这个 stack 要在同一个状态后端，而且它的密钥要能在这里解密：同一个口令，或有它那把 KMS 密钥的权限",
    "can be read, with a key: {hosts}": "读得到，有密钥：{hosts}",
    "run up there first: pulumi up --stack {stack}": "先在那边执行 up：pulumi up --stack {stack}",
    "from this machine: {message}": "从这台机器看：{message}",
    "relay from the Docker host": "从 Docker 主机到中继",
    "let the Docker host out to its port 443, and look the name up there: getent hosts":
        "放行 Docker 主机到它 443 端口的出站连接，并在那里查一下域名：getent hosts",
    "port 443 is open": "443 端口是通的",

    // The machine overseas.
    machine: "境外机器",
    "machine: {subject}": "境外机器：{subject}",
    "apply the stack's files again: {command}": "重新应用 stack 的文件：{command}",
    "{program} ended with {code} and says nothing": "{program} 以 {code} 退出，没有任何输出",
    "the machine's address": "这台机器的地址",
    "is the machine up, and this one's address in sshFrom? A host key that changed is not taken: find out why first":
        "机器开着吗？本机的地址在 sshFrom 里吗？主机密钥变了会被拒绝：先弄清原因",
    "SSH of the machine overseas": "境外机器的 SSH",
    "start sshd there, and let this machine in at port {port}; across the border port 22 may be cut: try another":
        "在那里启动 sshd，并对本机开放 {port} 端口；22 端口跨境时可能被切断：换一个端口试试",
    "its host key": "它的主机密钥",
    "is the one in the settings": "和配置里的一致",
    "is not the one in the settings": "和配置里的不一致",
    "compare with the machine's own, then set overseas.hostKey: {shown}":
        "和机器上的核对之后，设置 overseas.hostKey：{shown}",
    "not in the settings: whoever answers is taken for it": "配置里没有：谁应答就当是它",
    "find out why before anything is sent there; if it is right, set overseas.hostKey: {shown}":
        "先弄清原因，再发送任何东西；确认无误就设置 overseas.hostKey：{shown}",
    "login as {user}": "以 {user} 登录",
    "put the public key into ~{user}/.ssh/authorized_keys; without the secret sshPrivateKey the agent's keys are tried":
        "把公钥写进 ~{user}/.ssh/authorized_keys；没有加密配置 sshPrivateKey 时用的是 agent 里的密钥",
    "the secret sshPrivateKey cannot be read here": "加密配置 sshPrivateKey 在这里读不出来",
    "must be Debian {oldest} or newer, got {stdout}": "必须是 Debian {oldest} 或更新的版本，实际是 {stdout}",
    "works, with root's rights, on {id} {version}": "可以，有 root 权限，系统是 {id} {version}",
    "works, but sudo asks for a password": "可以，但 sudo 要密码",
    "echo '{user} ALL=(ALL) NOPASSWD: ALL' into a file of /etc/sudoers.d, by visudo -f":
        "用 visudo -f 在 /etc/sudoers.d 里加一个文件，内容是 {user} ALL=(ALL) NOPASSWD: ALL",
    "the connection is closed without a word": "连接被直接关闭",
    "is no SSH server: it says {said}": "不是 SSH 服务器：它返回 {said}",
    "it shows none of the kind {kind}": "它没有 {kind} 类型的密钥",
    "this machine in sshFrom": "sshFrom 里的本机",
    "{address} is in it": "{address} 在里面",
    "add {address}/32 to overseas.sshFrom, unless SSH leaves by another address than HTTPS does":
        "把 {address}/32 加进 overseas.sshFrom，除非 SSH 的出口地址和 HTTPS 不同",
    "AWS sees this machine as {address}, which may not log in": "AWS 看到的本机地址是 {address}，它不能登录",
    "the private key cannot be used: {said}": "私钥不能用：{said}",
    "it must be one without a passphrase": "必须是没有口令的私钥",

    // What ssh, and docker over it, say.
    "this machine's resolver does not know {host} (getent hosts {host}): correct {setting}, or make the name known here by DNS, /etc/hosts or ~/.ssh/config":
        "本机解析不了 {host}（getent hosts {host}）：改正 {setting}，或用 DNS、/etc/hosts、~/.ssh/config 让本机认识这个名字",
    "nothing listens at port {port} there: start sshd, or correct the port in {setting}":
        "那里没有程序监听 {port} 端口：启动 sshd，或改正 {setting} 里的端口",
    "is the machine up, and may this one reach its port {port} (nc -vz {host} {port})? A firewall, a VPN or sshFrom may be between":
        "机器开着吗？本机连得上它的 {port} 端口吗（nc -vz {host} {port}）？中间可能有防火墙、VPN 或 sshFrom 的限制",
    "it shows another host key than before: find out why first; if it is right, ssh-keygen -R {host} and log in once by hand":
        "它的主机密钥和以前不同：先弄清原因；确认无误就执行 ssh-keygen -R {host}，再手工登录一次",
    "log in once by hand, so that the host key is known: ssh {login}": "手工登录一次，把主机密钥记下来：ssh {login}",
    "a key that is taken there must be with the agent (ssh-add -l) or in ~/.ssh; try ssh {login} by hand":
        "那里认可的密钥要在 agent 里（ssh-add -l）或 ~/.ssh 里；手工试一下 ssh {login}",
    "that user must be in the group docker there: sudo usermod -aG docker {user}":
        "那个用户要在那台机器的 docker 组里：sudo usermod -aG docker {user}",
    "install Docker there": "在那里安装 Docker",
    "start Docker there: sudo systemctl start docker": "在那里启动 Docker：sudo systemctl start docker",

    // The Docker host at home.
    "Docker at home": "公司内的 Docker",
    "start Docker, and run this as a user who may use it": "启动 Docker，并用有权使用它的用户运行",
    "see what it says by hand: docker -H with the same address, and version":
        "手工看它怎么说：docker -H 加同样的地址，再加 version",
    "containers at home": "公司内的容器",
    "docker logs says why; pulumi refresh and up make what is gone":
        "原因看 docker logs；容器没了就执行 pulumi refresh 和 up 重建",
    "there are none": "一个也没有",
    uplink: "uplink",
    "{name} is {condition}": "{name} 状态为 {condition}",
    "the rows of the relays say why, or the link between here and there does":
        "原因在中继的各行里，或者是两边之间的链路",
    "{upstream} through {name} is {condition}": "{upstream} 经过 {name} 的状态为 {condition}",
    "an upstream that is not well fails behind a relay that answers, or blocks its address: it is asked again by itself":
        "中继有应答而上游状态不好：上游自己有问题，或者封了中继的地址；会自动再去询问",
    "{upstream} to {host}, {times} times": "{upstream} 到 {host}，{times} 次",
    "where such a host is the upstream's own, add it in the relays' stack: dockermirror:redirectHosts: {hosts}, then pulumi up":
        "确认这样的主机属于上游之后，在中继的 stack 里加上 dockermirror:redirectHosts: {hosts}，再执行 pulumi up",
    "redirects that no relay follows: {told}": "没有中继跟随的重定向：{told}",
    "no answer in time": "没有及时应答",
    "ends with {code} and says nothing": "以 {code} 退出，没有任何输出",

    // AWS.
    "Debian {release} image": "Debian {release} 镜像",
    "these credentials are not known to AWS: make new ones": "AWS 不认识这些凭证：重新创建",
    "the secret access key is another one's": "secret access key 不是这一个的",
    "log in again: aws sso login, or whatever gave these credentials":
        "重新登录：aws sso login，或当初取得这些凭证的办法",
    "set this machine's clock": "校准本机的时钟",
    "the credentials are refused in this region: is it on for the account?":
        "这些凭证在这个区域被拒绝：账号里打开了这个区域吗？",
    "set HTTPS_PROXY, or run Pulumi from CI overseas (README)":
        "设置 HTTPS_PROXY，或在境外的 CI 上运行 Pulumi（README）",
    "instance type {instanceType}": "实例类型 {instanceType}",
    "set overseas.instanceType to one that the region has": "把 overseas.instanceType 改成这个区域有的",
    "{architecture}, {vcpus} vCPUs": "{architecture}，{vcpus} 个 vCPU",
    network: "网络",
    "default VPC": "默认 VPC",
    "{name} is there": "有 {name}",
    "there is no {name}; there are {usable}": "没有 {name}；有 {usable}",
    "availability zone": "可用区",
    "set overseas.availabilityZone to the letter of one that is there":
        "把 overseas.availabilityZone 改成存在的可用区的字母",
    bundle: "套餐",
    "set overseas.bundle to one that is there": "把 overseas.bundle 改成存在的套餐",
    "choose another region": "换一个区域",
    "rights to make things": "创建资源的权限",
    "Lightsail has no dry run: pulumi up will tell": "Lightsail 没有试运行：要到 pulumi up 才知道",
    "AWS credentials": "AWS 凭证",
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY":
        "设置 AWS_PROFILE，或 AWS_ACCESS_KEY_ID 和 AWS_SECRET_ACCESS_KEY",
    region: "区域",
    "is on ({status})": "已打开（{status}）",
    "is off in this account": "在这个账号里没有打开",
    "turn it on: AWS console, Account, AWS Regions; it takes some minutes":
        "打开它：AWS 控制台，Account，AWS Regions；要等几分钟",
    "right to {action}": "{action} 的权限",
    given: "有",
    "allow ec2:{action} in the policy of whom the credentials belong to": "在这些凭证所属用户的策略里允许 ec2:{action}",
    "EC2 did not take it for a dry run": "EC2 没有把它当作试运行",
    "Debian has none for {architecture} in this region": "Debian 在这个区域没有 {architecture} 的",
    "has no IPv6 range": "没有 IPv6 地址段",
    "add one, or set overseas.ipv6 to false": "加一个，或把 overseas.ipv6 设为 false",
    "set overseas.subnetId, or make one: aws ec2 create-default-vpc":
        "设置 overseas.subnetId，或创建一个默认 VPC：aws ec2 create-default-vpc",
    "the account has no default VPC in this region": "账号在这个区域没有默认 VPC",
    "elastic IPs left": "剩余的弹性 IP",
    "{used} of {most} used": "{most} 个中已用 {used} 个",
    "release one, or have the quota raised: Service Quotas, EC2-VPC Elastic IPs":
        "释放一个，或申请提高配额：Service Quotas，EC2-VPC Elastic IPs",
    "{used} of {most} used: a new machine gets none": "{most} 个中已用 {used} 个：新机器分不到地址",
    "vCPU quota": "vCPU 配额",
    "{quota} in all, used ones among them": "一共 {quota} 个，包括已用的",
    "cannot be asked: {message}": "无法询问：{message}",

    // Cloudflare.
    "Cloudflare's API": "Cloudflare 的 API",
    "Cloudflare token": "Cloudflare 令牌",
    "give the token Zone · Zone · Read and Zone · DNS · Edit for this zone (README, Keys and tokens)":
        "给令牌这个域的 Zone · Zone · Read 和 Zone · DNS · Edit 权限（README，密钥和令牌）",
    "make one at dash.cloudflare.com, My Profile, API Tokens (README, Keys and tokens)":
        "在 dash.cloudflare.com 的 My Profile，API Tokens 里创建一个（README，密钥和令牌）",
    "set CLOUDFLARE_API_TOKEN, or pulumi config set --secret cloudflare:apiToken":
        "设置 CLOUDFLARE_API_TOKEN，或执行 pulumi config set --secret cloudflare:apiToken",
    "there is none": "没有",
    "is no API token: it must be 40 to 80 of A-Z, a-z, 0-9, - and _, got {length} characters":
        "不是 API 令牌：必须是 40 到 80 个 A-Z、a-z、0-9、- 和 _，实际有 {length} 个字符",
    "is active": "有效",
    "is active until {expires_on}": "有效，到 {expires_on}",
    "is {status}": "状态为 {status}",
    "is refused: {said}": "被拒绝：{said}",
    "is taken, an account's own": "可用，是账号自己的令牌",
    zone: "域",
    "the token sees no zone of this name: it must be there, and {rights}":
        "令牌看不到这个名字的域：域要已经存在，并且{rights}",
    "the zone's name servers": "这个域的 NS 服务器",
    "is {status}, not active": "状态为 {status}，还没有激活",
    "set {servers} at the domain's registrar": "在域名注册商那里填上 {servers}",
    "zone to be made": "要创建的域",
    "is not there yet; whether the token may make it shows when it does":
        "还不存在；令牌有没有权限创建，要到创建时才知道",
    "is there already, {status}": "已经存在，{status}",
    "right when this stack made it; else leave createZone out, and it is looked up":
        "如果是这个 stack 创建的就没问题；否则去掉 createZone，会按名字查找",
    "right to edit DNS": "修改 DNS 的权限",
    "the token may not read the records: {said}": "令牌不能读 DNS 记录：{said}",
    "there is {there}, which must be this stack's own": "已有 {there}，它必须是这个 stack 自己的",
    "the name is free": "这个名字没有被占用",
    "given; {record}": "有；{record}",
    "the token may read records and not edit them; {record}": "令牌能读 DNS 记录，不能修改；{record}",
    "records can be read; whether they can be edited is not told; {record}":
        "能读 DNS 记录；能不能修改不知道；{record}",
    "right to Workers": "Workers 的权限",
    "account {account}": "账号 {account}",
    "give the token Account · Workers Scripts · Edit for this account":
        "给令牌这个账号的 Account · Workers Scripts · Edit 权限",
    "the token may not read the account's scripts: {said}": "令牌不能读这个账号的 Worker：{said}",
    "scripts can be read; whether they can be edited is not told": "能读 Worker；能不能修改不知道",
    "token for DNS-01": "DNS-01 用的令牌",
    "make one with Zone · DNS · Edit and Zone · Zone · Read for this zone alone":
        "创建一个只限这个域、有 Zone · DNS · Edit 和 Zone · Zone · Read 权限的令牌",
    "answers {status} with something that is not its API's: something answers in its place":
        "返回 {status}，内容不是它的 API 的：应答的不是它本身",

    // Docker Hub.
    "Docker Hub account": "Docker Hub 账号",
    "make an access token at app.docker.com, then pulumi config set --secret dockermirror:hubToken":
        "在 app.docker.com 创建访问令牌，再执行 pulumi config set --secret dockermirror:hubToken",
    "the secret hubToken cannot be read here": "加密配置 hubToken 在这里读不出来",
    "{host}: {message}; the relays will ask it": "{host}：{message}；到时由中继去询问",
    "the access token is taken": "访问令牌可用",
    "the access token is refused: {host} answers {status}": "访问令牌被拒绝：{host} 返回 {status}",

    // Pulumi and its downloads.
    "set HTTPS_PROXY; or fetch them where they can be reached (npm run preflight -- --fetch-plugins FILE.tar) and run its install.sh here; or run Pulumi from CI overseas (README)":
        "设置 HTTPS_PROXY；或在连得上的机器上下载（npm run preflight -- --fetch-plugins FILE.tar），再到这里运行里面的 install.sh；或在境外的 CI 上运行 Pulumi（README）",
    "Pulumi CLI": "Pulumi CLI",
    "is installed: {version}": "已安装：{version}",
    "plugin {name} {version}": "插件 {name} {version}",
    "is installed": "已安装",
    "{host} has it": "{host} 有",
    "{host} answers {status}": "{host} 返回 {status}",
    "{host}: {message}": "{host}：{message}",
    "package registry": "npm 的 registry",
    "npm's own configuration": "npm 自己的配置",
    "{registry} answers": "{registry} 有应答",
    "npm ends with {code}": "npm 以 {code} 退出",
    "npm config set registry to one that can be reached, or set HTTPS_PROXY":
        "用 npm config set registry 换一个连得上的，或设置 HTTPS_PROXY",
    "{archive} cannot be written: {message}": "{archive} 无法写入：{message}",
    "{archive}: unpack it on the other machine and run install.sh there":
        "{archive}：在另一台机器上解压，运行里面的 install.sh",
    "{file} is not what was published: its SHA-256 is {sum} in place of {published}":
        "{file} 和官方发布的不一致：SHA-256 是 {sum}，应为 {published}",
    "{place}  {file}  {size} MB, no checksum could be had to compare": "{place}  {file}  {size} MB，取不到校验和来比对",
    "{place}  {file}  {size} MB, checksum as published": "{place}  {file}  {size} MB，校验和与官方发布的一致",
    "{file} cannot be downloaded: {problems}": "{file} 下载失败：{problems}",
    '{variable} must name a URL for {source}, got "{filled}"':
        "{variable} 必须为 {source} 给出一个 URL，实际是“{filled}”",
    "{variable} cannot be read: {message}": "{variable} 无法解析：{message}",
    "Pulumi has no files for {name}; it has them for {platforms}": "Pulumi 没有 {name} 的文件；有 {platforms} 的",
    '--platform must be one of {platforms}, got "{name}"': "--platform 必须是 {platforms} 之一，实际是“{name}”",
    "there is no pulumi on this machine yet: run npx pulumi version once":
        "这台机器上还没有 pulumi：先执行一次 npx pulumi version",
    "there is no pulumi on this machine yet": "这台机器上还没有 pulumi",

    // A stack.
    settings: "配置",
    secrets: "加密配置",
    "are right": "正确",
    "cannot be read: {said}": "读不出来：{said}",
    "log in to the stack's backend, and set PULUMI_CONFIG_PASSPHRASE_FILE where it has a passphrase":
        "登录到这个 stack 的状态后端；用口令的话再设置 PULUMI_CONFIG_PASSPHRASE_FILE",
    "stacks/Pulumi.{name}.yaml: the settings can be used": "stacks/Pulumi.{name}.yaml：配置可用",
    "the environment's {name} must be a URL such as http://proxy.example:3128":
        "环境变量 {name} 必须是 URL，例如 http://proxy.example:3128",

    // The table.
    what: "检查项",
    where: "对象",
    seconds: "秒",
    "skipped: {note}": "跳过：{note}",
    "{what}: failed": "“{what}”没有通过",
    "{what}: skipped": "“{what}”已跳过",
    "{ok} ok, {failed} failed, {warnings} to be known, {skipped} skipped":
        "{ok} 项正常，{failed} 项失败，{warnings} 项要注意，{skipped} 项跳过",
} as const;

/** What is said elsewhere: by doctor.sh on a relay's machine (templates/vm/doctor.sh), and by names in other programs. */
export const ELSEWHERE = {
    // Cloudflare's states of a token.
    "is disabled": "已停用",
    "is expired": "已过期",
    // What doctor.sh looks at, and what it finds.
    files: "文件",
    links: "链接",
    configuration: "配置",
    certificate: "证书",
    timer: "定时器",
    renewal: "续期",
    redirects: "重定向",
    disk: "磁盘",
    reboot: "重启",
    upgrades: "安全更新",
    "edited by hand, which the next change of the stack's files replaces: {files} (doctor.sh --edits shows how)":
        "有手工修改，下次 stack 的文件有变化时会被覆盖：{files}（doctor.sh --edits 显示改了什么）",
    "as they were laid": "和安装时一致",
    "{file} is not there": "没有 {file}",
    "{link} leads to the release": "{link} 指向当前版本",
    "{one} or {other} does not lead to a release": "{one} 或 {other} 没有指向任何版本",
    "nginx accepts it": "nginx 接受",
    "answers a caller without a key by {answer} in place of {wanted}": "对不带密钥的请求返回 {answer}，应为 {wanted}",
    "answers with release {release}": "有应答，版本 {release}",
    "does not answer with the release that lies here": "应答的不是这里的版本",
    "{file} cannot be read": "{file} 无法读取",
    "nginx does not serve the one that lies here: nginx -s reload": "nginx 用的不是这里的证书：nginx -s reload",
    "none yet but a placeholder that nobody trusts: {command}": "还没有，只有一张自签名的临时证书：{command}",
    "{ends}: it was not renewed in time": "{ends}：没有及时续期",
    "{ends}: give the stack a new one, or renew the private CA's by an update":
        "{ends}：给 stack 换一张新的；由私有 CA 签发的，执行一次 up 来续期",
    "{time} is the next look at the certificate": "下一次检查证书是 {time}",
    "dockermirror-renew.timer does not run: {command}": "dockermirror-renew.timer 没有运行：{command}",
    "never tried: {command}": "从未尝试过：{command}",
    "last look {time}": "最近一次检查是 {time}",
    "failed {time} UTC: {why}": "{time} UTC 失败：{why}",
    "{hosts}: refused, since its table does not have the host; where it is the upstream's own, add it to the stack's redirectHosts":
        "{hosts}：表里没有这个主机，已拒绝；确认它属于上游之后，加到 stack 的 redirectHosts 里",
    "{upstream} redirects to {host} ({times})": "{upstream} 重定向到 {host}（{times} 次）",
    "{percent} % of / used": "/ 已用 {percent}%",
    "wanted by an upgrade for more than {days} days": "更新要求重启，已超过 {days} 天",
    "wanted by an upgrade, done in the next window": "更新要求重启，会在下一个时间窗口进行",
    "none pending": "不需要",
    "security upgrades are installed by themselves": "安全更新自动安装",
    "security upgrades are not installed by themselves: {command}": "安全更新没有自动安装：{command}",
    'did you mean "{name}"?': "是不是“{name}”？",
} as const;

/**
 * What is wrong with a stack's settings (stacks/): there the sentences are put together from parts, so they are known here
 * by what stays the same. test/stacks/problem-text.test.ts translates each of its rows.
 */
export const SETTINGS = {
    "stacks/Pulumi.{name}.yaml cannot be used:": "stacks/Pulumi.{name}.yaml 不能用：",
    "stacks/Pulumi.{name}.yaml cannot be read: {reason}": "stacks/Pulumi.{name}.yaml 无法读取：{reason}",
    'there is no stack "{name}" in stacks/; there are {names}': "stacks/ 里没有名为“{name}”的 stack；有 {names}",
    'there is no stack "{name}" in stacks/; did you mean "{meant}"?; there are {names}':
        "stacks/ 里没有名为“{name}”的 stack；是不是“{meant}”？有 {names}",
    'it must have a mapping "config:", below which the settings are, such as dockermirror:zone':
        "要有“config:”一项，配置写在它下面，例如 dockermirror:zone",
    '{problem}; did you mean "{name}"?': "{problem}；是不是“{name}”？",
    "{problem}, got {value}": "{problem}，实际是 {value}",
    "is missing: {meaning}": "没有写：{meaning}",
    "{meaning}; one of {options}": "{meaning}；可以是 {options}",
    "it must be set": "必须设置",
    "has no value behind its colon: give it one, or leave the line out": "冒号后面没有值：写上值，或去掉这一行",
    "must be one of {options}": "必须是 {options} 之一",
    "cannot be used": "不能用",
    "must be one text": "必须是一段文本",
    "must be a text, which YAML does not take this for without quotes: write {quoted}":
        "必须是文本，不加引号时 YAML 不当作文本：写成 {quoted}",
    "it in quotes, with all its digits": "带引号的全部数字",
    "{problem}, without quotes": "{problem}，不加引号",
    "must be true or false, without quotes": "必须是 true 或 false，不加引号",
    "must be a list": "必须是列表",
    "must be a list such as {example}": "必须是列表，例如 {example}",
    "must be a list of mappings with {names}": "必须是列表，每一项是包含 {names} 的键值对",
    "must be a mapping": "必须是键值对",
    "must be a mapping of {keys}": "必须是键值对，键是 {keys}",
    "must be a mapping with {names} of {keys}": "必须是键值对，包含 {names}，键是 {keys}",
    "must be a mapping with {names}": "必须是键值对，包含 {names}",
    "must be a whole number": "必须是整数",
    "must be a whole number of at least {least}": "必须是不小于 {least} 的整数",
    "must be a whole number from {least} to {most}": "必须是 {least} 到 {most} 的整数",
    "must have at most {count} entries": "最多 {count} 项",
    "must have at least one entry": "至少要有一项",
    "must have at least {count} entries": "至少要有 {count} 项",
    "must not be empty": "不能为空",
    "is only for {forms}; what is here takes {names}": "只用于 {forms}；这里可以写 {names}",
    'is not a setting; did you mean "{name}"?': "没有这个配置；是不是“{name}”？",
    'is not a setting; did you mean "{name}"?; settings are {names}':
        "没有这个配置；是不是“{name}”？可以写的有 {names}",
    "is not a setting; settings are {names}": "没有这个配置；可以写的有 {names}",
    "is not a setting: {path} takes {names}": "没有这个配置：{path} 里可以写 {names}",
    "is not read: write {key}": "不会被读取：要写成 {key}",
    "kind: {one} or kind: {other}": "kind: {one} 或 kind: {other}",
    "an entry with {field}": "带 {field} 的项",

    // Names and addresses.
    "must be a name, not an address: a certificate and a mirror go by a name":
        "必须是域名，不能是 IP 地址：证书和镜像站都按域名识别",
    "must be a host name without {faults}: write {name}": "必须是单纯的域名，不能带 {faults}：写成 {name}",
    "white space around it": "前后的空白",
    "a scheme ({scheme})": "协议（{scheme}）",
    "a path ({path})": "路径（{path}）",
    "a user": "用户名",
    "a port ({port})": "端口（{port}）",
    "a dot at its end": "末尾的点",
    "upper case": "大写字母",
    "characters outside ASCII (IDNA has a form for them)": "ASCII 以外的字符（用 IDNA 的写法）",
    "must be a host name in lower case such as hub.example.com": "必须是小写的域名，例如 hub.example.com",
    "must be one host name, not a wildcard": "必须是一个具体的域名，不能用通配符",
    "must have no other characters than a-z, 0-9, - and dots, got {odd} in it":
        "只能有 a-z、0-9、- 和点，里面却有 {odd}",
    "must have something before, between and behind its dots": "点的前后和中间都要有内容",
    "must be a name in full, with a domain, such as hub.example.com: other machines would look for this one elsewhere":
        "必须是完整的域名，例如 hub.example.com：别的机器会到别处去找这个名字",
    "must have no label that starts or ends with -": "每一段都不能以 - 开头或结尾",
    "must not end with a number alone: programs take such a name for an IPv4 address":
        "最后一段不能全是数字：程序会把它当成 IPv4 地址",
    "must have labels of at most {most} characters, got one of {length}":
        "每一段最多 {most} 个字符，实际有一段是 {length} 个",
    "must have at most {most} characters, got {length}": "最多 {most} 个字符，实际有 {length} 个",
    "must be an address range such as 10.0.0.0/8 or 203.0.113.7/32": "必须是地址段，例如 10.0.0.0/8 或 203.0.113.7/32",
    "must have nothing but zeros behind its prefix; for the one address write /{width}":
        "前缀后面的位必须全是 0；只表示这一个地址就写 /{width}",
    "must be a public IPv{family} address such as {example}": "必须是公网 IPv{family} 地址，例如 {example}",
    "must be a public IPv{family} address such as {example}, without a prefix length":
        "必须是公网 IPv{family} 地址，例如 {example}，不带前缀长度",
    "must be a public IPv{family} address such as {example}: this one is private, and is reached only within its own network":
        "必须是公网 IPv{family} 地址，例如 {example}：这是私有地址，只在它自己的网络里连得到",
    "must be a public IPv{family} address such as {example}: the Internet has no way to this one":
        "必须是公网 IPv{family} 地址，例如 {example}：公网上没有到这个地址的路由",
    "must be an IP address": "必须是 IP 地址",
    "must be an IPv4 address of the Docker host such as 10.1.0.5": "必须是 Docker 主机的 IPv4 地址，例如 10.1.0.5",
    "must be an AWS region outside mainland China ({regions})": "必须是中国大陆以外的 AWS 区域（{regions}）",
    "must be a region that Lightsail has ({regions}; kind ec2 works in all)":
        "必须是 Lightsail 支持的区域（{regions}；kind: ec2 在所有区域都行）",
    "must be a line of {file}": "必须是 {file} 里的一行",
    "must be a line of {file}, not a private key": "必须是 {file} 里的一行，不能是私钥",
    "must be a line of {file}, which starts with one of {kinds}": "必须是 {file} 里的一行，开头是 {kinds} 之一",
    "must be a line of {file}, one of them": "必须是 {file} 里的一行，只要其中一行",
    "must be a line of {file}, and nothing else": "必须是 {file} 里的一行，不能有别的内容",
    "must be a line of {file} in full: behind {kind} there is no whole key of that kind":
        "必须是 {file} 里完整的一行：{kind} 后面不是这种类型的完整密钥",

    // Forms of fields.
    "must be 1 to 32 characters of a-z, 0-9 and -": "必须是 1 到 32 个 a-z、0-9 和 -",
    "must be a mailto: or https: URL such as mailto:abuse@example.org":
        "必须是 mailto: 或 https: 的 URL，例如 mailto:abuse@example.org",
    "must be a certificate chain in PEM, leaf first": "必须是 PEM 格式的证书链，服务器证书在最前",
    "must be the 32 hex digits of a Cloudflare account id": "必须是 Cloudflare 账号 ID，32 位十六进制",
    "must be the https URL of an ACME directory": "必须是 ACME directory 的 https URL",
    "must be an e-mail address": "必须是邮箱地址",
    'must be a time of day in UTC such as "19:30"': '必须是 UTC 时间，例如 "19:30"',
    "must be a user name": "必须是用户名",
    "must be an EC2 instance type such as t4g.micro": "必须是 EC2 实例类型，例如 t4g.micro",
    "must be a subnet such as subnet-0123456789abcdef0": "必须是子网 ID，例如 subnet-0123456789abcdef0",
    "must be the last letter of an availability zone, such as a": "必须是可用区的最后一个字母，例如 a",
    "must be a Linux bundle with IPv4 such as micro_3_0": "必须是 Linux、带 IPv4 的套餐，例如 micro_3_0",
    "must be unix:///var/run/docker.sock or ssh://user@host[:port]":
        "必须是 unix:///var/run/docker.sock 或 ssh://user@host[:port]",
    'must be "registry" (harbor and nexus come later)': '必须是 "registry"（harbor 和 nexus 以后支持）',
    "must be a version of distribution such as 3.1.2, or 2.8.x": "必须是 distribution 的版本，例如 3.1.2，或 2.8.x",
    "must be an image with its registry and tag, such as docker.io/library/hello-world:latest":
        "必须是带镜像仓库和 tag 的镜像，例如 docker.io/library/hello-world:latest",
    "must be a registry with an optional path, such as harbor.acme.lan/library":
        "必须是镜像仓库，可以带路径，例如 harbor.acme.lan/library",
    "must be a file such as {example}; {reason}": "必须是文件，例如 {example}；{reason}",
    "is not supported yet: leave it out": "还不支持：去掉它",
    "must be a Docker ID": "必须是 Docker ID",
    "must be a stack of this project such as acme-tokyo, or one in full such as organization/dockermirror/acme-tokyo":
        "必须是本项目的 stack，例如 acme-tokyo，或写全名，例如 organization/dockermirror/acme-tokyo",
    "must have names of upstreams for keys ({names}), got {keys}": "键必须是上游的名字（{names}），实际是 {keys}",
    "must have a relay once, got {what} of {stack} twice": "同一台中继只能写一次，{stack} 的 {what} 写了两次",

    // Between fields.
    "or overseas or onprem must be set: {why}": "、overseas 或 onprem 至少要设一个：{why}",
    "this stack would make nothing": "否则这个 stack 什么都不创建",
    "this stack has no settings, its file in stacks/ is empty or missing; npm run new-stack writes one":
        "这个 stack 没有配置，stacks/ 里的文件是空的或不存在；npm run new-stack 可以写一个",
    "needs a relay: set edge or overseas, or relays with another stack that has one":
        "需要一台中继：设置 edge 或 overseas，或在 relays 里写上有中继的 stack",
    "are what an on-prem site pulls through: set onprem, or leave them out":
        "是给公司内的站点拉镜像用的：设置 onprem，或去掉它们",
    "has public addresses ({ranges}), which Docker opens past the host's firewall: if it is meant, also set onprem.allowFromPublic to true":
        "有公网地址（{ranges}），Docker 会绕过主机防火墙开放端口：确实需要的话，再设 onprem.allowFromPublic 为 true",
    "must be an image of one of upstreams ({upstreams})": "必须是 upstreams（{upstreams}）之一的镜像",
    "need the key that those with a hostname ask for: {command}": "按域名写的中继要有密钥：{command}",
    "is the key of relays with a hostname, which are not set": "是按域名写的中继的密钥，而没有这样的中继",
    "needs the name of the zone to make: set zone": "要写明创建哪个域：设置 zone",
    "is about the zone of createZone, which is not set: a zone that is there needs neither":
        "说的是 createZone 的域，而没有设 createZone：已有的域两个都不用写",
    "must be the account that the zone is made in, {account}": "必须是创建这个域的账号 {account}",
    "needs zone: the Worker gets a custom domain in it": "要有 zone：Worker 的自定义域名在里面",
    "must be {zone} or end with .{same}": "必须是 {zone}，或以 .{same} 结尾",
    'must be a host name of its own, got "{name}", which {other} has': "必须用单独的域名，“{name}”已经用于 {other}",
    'must have one entry a name, got "{name}" twice': "一个名字只能有一项，“{name}”写了两次",
    'must have each entry once, got "{entry}" twice': "每一项只能写一次，“{entry}”写了两次",
    'must have an account once, got "{name}" twice': "一个账号只能写一次，“{name}”写了两次",
    "is for relays of this stack, which has none: set it where edge or overseas is":
        "用于本 stack 的中继，而这里没有：写到有 edge 或 overseas 的 stack 里",
    "is for relays of this stack, which has none: set key in relays":
        "用于本 stack 的中继，而这里没有：在 relays 里写 key",
    'has "{id}", which {keys} does not ({known}, and lower numbers)':
        "有“{id}”，而 {keys} 里没有（有 {known} 以及更小的数字）",
    "must be the name of one of {keys} ({names})": "必须是 {keys} 里的名字（{names}）",
    "public needs abuseContact, because who runs a service for everybody must be reachable: set it to such as mailto:abuse@example.org":
        "为 public 时要有 abuseContact，因为公共服务的运营者必须能联系到：例如设为 mailto:abuse@example.org",
    "is for access: public, which is not set": "用于 access: public，而没有这样设",
    "needs the account's name: set hub.username": "要有账号名：设置 hub.username",
    "needs the account's access token: {command}": "要有这个账号的访问令牌：{command}",
    "needs its private key: {command}": "要有它的私钥：{command}",
    "needs its certificate: set {key}": "要有它的证书：设置 {key}",
    "needs its CA: set onprem.ca": "要有它的 CA：设置 onprem.ca",
    "dns-01 needs a Cloudflare token that may edit the DNS of the zone: {command}":
        "为 dns-01 时要有一个能修改这个域 DNS 的 Cloudflare 令牌：{command}",
    "is for overseas.acmeChallenge dns-01, which is not set": "用于 overseas.acmeChallenge: dns-01，而没有这样设",
    "is for overseas.kind host: a machine that is made here gets a key of its own":
        "用于 overseas.kind: host：由 stack 创建的机器有自己的密钥",
    "cannot be set with a certificate of your own: leave one of them out": "不能和你自己的证书同时设置：去掉其中一个",
    "cannot be {tls} with a certificate of your own: leave one of them out":
        "有你自己的证书时不能是 {tls}：去掉其中一个",
    "must be a certificate in PEM, and cannot be read as one": "必须是 PEM 格式的证书，现在读不出来",
    "must be a certificate authority, {subject} is a server's certificate: see onprem.certificate":
        "必须是 CA 证书，{subject} 是服务器证书：见 onprem.certificate",
    "must be the private key of onprem.ca, and is another one": "必须是 onprem.ca 的私钥，现在是另一把",
    "must be a private key in PEM without a passphrase; its value is not repeated here":
        "必须是 PEM 格式、没有口令的私钥；这里不显示它的值",
    "lets the whole world try to log in ({ranges}): name your own public addresses, or, if it is meant, also set overseas.sshFromAnywhere to true":
        "让全网都能尝试登录（{ranges}）：写你自己的公网地址；确实需要的话，再设 overseas.sshFromAnywhere 为 true",
    "needs an IPv4 range, because the machine is logged in to by its IPv4 address":
        "要有一个 IPv4 地址段，因为登录机器用的是它的 IPv4 地址",
    "has private addresses ({ranges}), which no connection to a machine at AWS comes from: name the public ones that your network goes out by (npm run preflight shows this machine's)":
        "有私有地址（{ranges}），到 AWS 机器的连接不会来自它们：写你的网络出口的公网地址（npm run preflight 会显示本机的）",
    "needs subnetId: a default VPC has no IPv6, so name a subnet that has it":
        "要有 subnetId：默认 VPC 没有 IPv6，写一个有 IPv6 的子网",
    "must be said in {region}: aws lightsail get-bundles --region {same} lists the names":
        "在 {region} 必须自己写：用 aws lightsail get-bundles --region {same} 查名字",
    "is for tls: acme, which this relay does not have": "用于 tls: acme，而这台中继没有用它",
    'must be a name in the public DNS, or no public CA signs it, got "{name}": use such a name, or set overseas.tls to privateCa':
        "必须是公网 DNS 里的域名，否则没有公共 CA 会签发，实际是“{name}”：换一个域名，或把 overseas.tls 设为 privateCa",
    "are what relays pull with: set them where edge or overseas is":
        "是中继拉取时用的：写到有 edge 或 overseas 的 stack 里",
    'needs its token: privateTokens has no "{name}"': "要有它的令牌：privateTokens 里没有“{name}”",
    'has a token of "{name}", which is not in privateAccounts': "有“{name}”的令牌，而 privateAccounts 里没有这个账号",
    "must fit into {most} bytes at Cloudflare, got {bytes}: list fewer repositories (acme/* is one), or use shorter tokens":
        "在 Cloudflare 上不能超过 {most} 字节，实际是 {bytes}：少列一些镜像（acme/* 算一个），或用短一些的令牌",
    "must fit into {most} bytes at Cloudflare, got {bytes}": "在 Cloudflare 上不能超过 {most} 字节，实际是 {bytes}",
    "are where relays of this stack follow redirects to: set them where edge or overseas is":
        "是本 stack 的中继可以跟随的重定向：写到有 edge 或 overseas 的 stack 里",
    "is for an upstream that this stack does not relay: it relays {upstreams}":
        "属于本 stack 不中继的上游：它中继 {upstreams}",
    "acme needs zone with a machine that is made here: nobody could enter its address into DNS before its certificate is asked for; set zone, or overseas.tls to privateCa":
        "机器由 stack 创建时，acme 要有 zone：申请证书之前没有人能把它的地址写进 DNS；设置 zone，或把 overseas.tls 设为 privateCa",
    "dns-01 needs zone: the challenge is answered by a record in it": "为 dns-01 时要有 zone：验证靠里面的一条记录",
    "{upstream} has no accounts that a relay can use; {upstreams} have":
        "{upstream} 没有中继能用的账号；有的是 {upstreams}",
    'the user name at {upstream} must be visible ASCII characters without a colon, got "{username}"':
        "{upstream} 的用户名必须是可见的 ASCII 字符，不含冒号，实际是“{username}”",
    'a private repository at {upstream} is a whole name such as acme/app, or acme/*, got "{entry}"':
        "{upstream} 的私有镜像要写全名，例如 acme/app，或 acme/*，实际是“{entry}”",
    "must be a host name in lower case such as cdn.example.com, or a glob such as *.cdn.example.com":
        "必须是小写的域名，例如 cdn.example.com，或通配，例如 *.cdn.example.com",
    "must be a host name in lower case such as cdn.example.com, or a glob such as *.cdn.example.com, without a scheme":
        "必须是小写的域名，例如 cdn.example.com，或通配，例如 *.cdn.example.com，不带协议",
    "must be a host name in lower case such as cdn.example.com, or a glob such as *.cdn.example.com, without a path":
        "必须是小写的域名，例如 cdn.example.com，或通配，例如 *.cdn.example.com，不带路径",
    "must be a host name in lower case such as cdn.example.com, or a glob such as *.cdn.example.com, without a user":
        "必须是小写的域名，例如 cdn.example.com，或通配，例如 *.cdn.example.com，不带用户名",
    "must be a host name in lower case such as cdn.example.com, or a glob such as *.cdn.example.com, without a port: redirects are followed to port 443 only":
        "必须是小写的域名，例如 cdn.example.com，或通配，例如 *.cdn.example.com，不带端口：只跟随到 443 端口的重定向",
    "must be a host name in lower case such as cdn.example.com, or a glob such as *.cdn.example.com, not an address":
        "必须是小写的域名，例如 cdn.example.com，或通配，例如 *.cdn.example.com，不能是 IP 地址",
    "must be a host name in lower case such as cdn.example.com, or a glob such as *.cdn.example.com, with one * in a label at most":
        "必须是小写的域名，例如 cdn.example.com，或通配，例如 *.cdn.example.com，每一段最多一个 *",
    "must not be a host that all customers of a cloud share: {why}; name the vendor's own host or bucket":
        "不能是某个云的所有客户共用的主机：{why}；写厂商自己的主机或存储桶",
    "must not leave open whose host below {shared} it is, where anybody can have one: {why}; name the vendor's own host or bucket, with * for its region alone (bucket.s3.*.amazonaws.com)":
        "要写明是 {shared} 下面谁的主机，那里任何人都能申请：{why}；写厂商自己的主机或存储桶，* 只用于它的区域（bucket.s3.*.amazonaws.com）",
    "a registry, or whoever gets hold of one, could then send the relays to anybody's content":
        "否则镜像仓库或攻破它的人就能把中继引到任何人的内容上",
    "must end in a domain of the vendor's, without * in it: names below {ending} are for sale":
        "末尾必须是厂商自己的域名，其中不能有 *：{ending} 下面的名字谁都能买",
    "set one with: pulumi config set --path {key} <value>": "设置方法：pulumi config set --path {key} <value>",
    "must be set, got the example's placeholder: {command}": "必须设置，现在是示例里的占位符：{command}",
    "must be encrypted, got a plain value: {command} (and change it where it was made: it stood in a file)":
        "必须加密，现在是明文：{command}（并到生成它的地方换一个：它曾写在文件里）",
    "must be at least 16 visible ASCII characters, got {length} of some kind":
        "至少要有 16 个可见的 ASCII 字符，实际有 {length} 个字符",
    "must be a Cloudflare API token of 40 to 80 letters, digits, - and _, got {length} of some kind":
        "必须是 Cloudflare API 令牌，40 到 80 个字母、数字、- 和 _，实际有 {length} 个字符",
    "must be JSON such as {example}: the id of a key, and 40 or more letters and digits; its value is not repeated here":
        "必须是 JSON，例如 {example}：密钥的 id，以及至少 40 个字母和数字；这里不显示它的值",
    "must be JSON such as {example}: upstream and user name, and at most 3000 visible characters; its value is not repeated here":
        "必须是 JSON，例如 {example}：上游和用户名，以及最多 3000 个可见字符；这里不显示它的值",
} as const;
