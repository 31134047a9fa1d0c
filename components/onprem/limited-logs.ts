/** Docker keeps everything that a container says, for ever, unless it is told otherwise. */
export const LIMITED_LOGS = { logDriver: "json-file", logOpts: { "max-size": "20m", "max-file": "5" } };
