/** Many callers of a relay, who note every answer: what an interruption would show itself to. */
import { eventually } from "../run";
import type { Scene } from "../scene";

const FOLDER = "/tmp/load";
const PARALLEL = 8;
const BATCH = 100;
/** Of a thousand requests on a busy machine. */
const ENOUGH_SECONDS = 180;

// A new process each time, so that new connections are made as well as old ones used. No key in an argument list.
const ASK = `cd ${FOLDER}; while [ ! -e enough ]; do
  curl -q --silent --parallel --parallel-max ${PARALLEL} --config request --output /dev/null \
    --write-out '%{http_code} %{exitcode} %{errormsg}\\n' "$0?[1-${BATCH}]"
done >>answers`;

/** What a caller without an interruption gets, as curl writes it. */
const WELL = /^200 0 /;

/** Requests to one URL, from the link network, from its start until it is ended. */
export class Load {
    private constructor(
        private readonly scene: Scene,
        private readonly asking: Promise<unknown>,
    ) {}

    /**
     * Starts to ask, and waits for the first answers.
     *
     * @param options Lines of a configuration file of curl's: how a caller is let in, and whom it trusts.
     */
    static async start(scene: Scene, url: string, options: string): Promise<Load> {
        await scene.exec("direct", ["sh", "-c", `rm -rf ${FOLDER}; mkdir -m 700 ${FOLDER}; touch ${FOLDER}/answers`]);
        await scene.exec("direct", ["sh", "-c", `cat >${FOLDER}/request`], options);
        const load = new Load(scene, scene.attempt("direct", ["sh", "-c", ASK, url]));
        await load.asked(BATCH);
        return load;
    }

    /** Ends when at least so many were answered. Returns their number, and the answers that were none. */
    async end(atLeast: number): Promise<{ readonly asked: number; readonly failed: readonly string[] }> {
        await this.asked(atLeast);
        await this.scene.exec("direct", ["touch", `${FOLDER}/enough`]);
        await this.asking;
        const answers = await this.answers();
        return { asked: answers.length, failed: answers.filter((answer) => !WELL.test(answer)) };
    }

    private async asked(atLeast: number): Promise<void> {
        await eventually(`${atLeast} requests are answered`, ENOUGH_SECONDS, async () =>
            (await this.answers()).length >= atLeast ? true : undefined,
        );
    }

    private async answers(): Promise<string[]> {
        const text = await this.scene.exec("direct", ["cat", `${FOLDER}/answers`]);
        return text.split("\n").slice(0, -1);
    }
}
