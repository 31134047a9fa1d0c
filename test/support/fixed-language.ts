/** Required by .mocharc.json: tests and the programs that they start speak English, whatever the machine does. */
for (const name of ["LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"]) delete process.env[name];
process.env.DOCKERMIRROR_LANG = "en";
