"""The cases of Birchfield Hospital Group, the oldest first."""

from deploy.local.demo_data import ARNO, HELEN, IRIS, MIRA, NORA, TOM
from deploy.local.demo_files import AMBER_LED, CONFIGURATION, DISK_LOG, FAN_LOG, JAMMED_SHEET, REBOOT_LOG
from deploy.local.demo_stories import (
    Story,
    ask,
    call_me,
    cancel,
    close,
    comment,
    escalate,
    note,
    order,
    raise_severity,
    reopen,
    reply,
    resolve,
    take,
)

BIRCHFIELD = (
    Story(
        *(20.6, IRIS, {"serial": "ST90-2207-AA"}, "Northgate Laboratory", 4),
        "Firmware question before the audit",
        "Our auditors ask which firmware the storage should have. We run 5.1.8. Is 5.2.1 required, or recommended?",
        (
            take(MIRA, 3.2),
            reply(MIRA, 0.3, "Hello Iris, 5.2.1 is recommended. We can install it with you, in about 40 minutes."),
            cancel(IRIS, 27, "The audit was moved to spring. We will come back to this then."),
        ),
    ),
    Story(
        *(17.3, HELEN, {"serial": "LP31-5502-CC"}, "Riverside Clinic", 4),
        "Tray 2 not detected after the move",
        "We moved the printer to the first floor. Since then it says that tray 2 is missing, though it is in place.",
        (
            take(ARNO, 1.4),
            reply(
                *(ARNO, 0.2),
                "Hello Helen, this printer is no longer covered, but let us try something that costs nothing: lift "
                "the printer off tray 2, look whether the small black plug on its left is bent, and set it down again.",
            ),
            comment(HELEN, 20, "That was it. The plug was under the frame. The tray is back, thank you!"),
            close(HELEN, 0.1, "The plug of the tray was caught under the frame.", resolved=True),
        ),
    ),
    Story(
        *(15.8, NORA, {"serial": "RX42-0001-7F"}, "Main Hospital", 2),
        "Power supply 2 failed, amber LED",
        "One of the two power supplies of the laboratory's server has shown an amber light since this morning. "
        "The server runs on the other one. A photo is attached.",
        (
            take(ARNO, 0.4),
            reply(
                ARNO, 0.2, "Thank you for the photo, Nora. That supply has failed. Please leave it in its bay for now."
            ),
            note(ARNO, 0.1, "Third supply of this batch this year. Ask the factory for one of the new series."),
            *order(ARNO, 1.1, "A technician brings a new one on Thursday between 9:00 and 12:00. No downtime needed."),
            comment(NORA, 44, "He was here at 9:30. Both lights are green."),
            resolve(ARNO, 2, "Power supply 2 replaced. Both supplies carry the load again."),
        ),
        (AMBER_LED,),
        more={"own_reference": "HD-2240"},
    ),
    Story(
        *(11.4, TOM, {"serial": "LP31-5501-CC"}, "Riverside Clinic", 3),
        "Display shows 13.02.00",
        "The printer stops after about fifty pages and shows 13.02.00. Switching it off and on helps for an hour.",
        (
            take(ARNO, 2.5),
            reply(ARNO, 0.2, "Hello Tom, please print the configuration page (Menu › Reports) and attach it here."),
            comment(TOM, 4, "Here it is.", CONFIGURATION),
            reply(ARNO, 1.5, "The registration sensor is dusty. Page 41 of the manual shows how to wipe it."),
            comment(TOM, 18, "Wiped it. 200 pages without a stop."),
            resolve(ARNO, 1, "Registration sensor cleaned."),
            reopen(TOM, 150, "13.02.00 has been back since this morning, now after ten pages."),
            reply(
                *(ARNO, 3),
                "Then the sensor itself has to be changed. I am looking for a day with your colleagues at Riverside.",
            ),
        ),
    ),
    Story(
        *(9.2, TOM, {"serial": "RX42-0002-7F"}, "Main Hospital", 3),
        "Fan noise after firmware 2.14",
        "Since the update to 2.14 one of the fans is very loud, day and night. The room is at 21 °C.",
        (
            take(MIRA, 5),
            reply(MIRA, 0.5, "Hello Tom, could you attach the fan readings? Management page › Health › Export."),
            comment(TOM, 16, "The readings are attached. It is fan 3.", FAN_LOG),
            note(MIRA, 2, "Not the firmware: 2.14 only reads the sensor properly now. The bearing is worn."),
            *order(
                *(MIRA, 0.3),
                "Fan 3 turns at twice the speed of the others: its bearing is worn. A new one is ordered and should "
                "arrive at Main Hospital within three days. You can change it while the server runs.",
            ),
            comment(TOM, 70, "Nothing has arrived yet. Should it be here by now?"),
            reply(MIRA, 2.2, "The carrier had it in the wrong depot. It is on the van again, sorry for the wait."),
        ),
        second=IRIS,
    ),
    Story(
        *(8.4, HELEN, {"said": "SA-100311"}, "Main Hospital", 4),
        "How many seats does our Fleet Manager contract include?",
        "We want to add the laboratory's printers next month. Does the contract have room for twelve more devices?",
        (
            take(ARNO, 22),
            reply(ARNO, 0.2, "Hello Helen, I have asked our contracts desk. You will have the figure tomorrow."),
        ),
        more={"preferred_channel": "email"},
    ),
    Story(
        *(7.5, HELEN, {"serial": "ST90-1138-AA"}, "Main Hospital", 2),
        "Disk 7: predicted failure",
        "The storage warns of disk 7. The array is still whole, and there is one spare disk.",
        (
            take(ARNO, 0.6),
            comment(HELEN, 0.5, "The list of disks is attached.", DISK_LOG),
            *order(ARNO, 0.7, "412 reallocated sectors: it will fail soon. A new disk leaves our store today."),
            comment(HELEN, 26, "Shall we pull the old one before the new one is here?"),
            reply(ARNO, 0.5, "No, please wait for the new one. While disk 7 still answers, the rebuild is quicker."),
            escalate(HELEN, 70, "The disk is four days late, and a second one shows errors since this morning."),
        ),
        (),
        more={"own_reference": "HD-2268", "error_code": "PFA-07"},
    ),
    Story(
        *(4.1, IRIS, {"serial": "LP31-5501-CC"}, "Riverside Clinic", 2),
        "Personnel files left in the printer's memory",
        "Somebody sent contracts of employment to this printer with a PIN and never fetched them. "
        "We need to be sure that they are gone before the printer is lent to the ward.",
        (
            take(MIRA, 1.2),
            reply(MIRA, 0.4, "Hello Iris, Menu › Jobs › Erase all removes them. Please keep the page that it prints."),
            comment(IRIS, 5, "Done, the page says 3 jobs erased. Is anything left on the disk?"),
            note(MIRA, 1, "Asked development whether erased jobs are overwritten on firmware 3.08."),
        ),
        more={"confidential": True, "preferred_channel": "email"},
    ),
    Story(
        *(3.4, HELEN, {"product_number": "FLEET-7"}, "Riverside Clinic", 3),
        "Licence for Fleet Manager not accepted",
        "The new licence key is refused with “not valid for this installation”. The old one ends this month.",
        (call_me(HELEN, 79, at=1),),
        more={"operating_system": "Windows Server 2022", "error_code": "LIC-403"},
    ),
    Story(
        *(2.9, TOM, {"serial": "ST90-2207-AA"}, "Northgate Laboratory", 2),
        "Array rebuild stuck at 82%",
        "After we changed disk 4 the rebuild ran until 82% and has not moved for three hours. "
        "The laboratory's results are on this array.",
        (
            take(ARNO, 0.3),
            reply(ARNO, 0.2, "Hello Tom, please do not restart it. Is the lamp of disk 9 blinking?"),
            comment(TOM, 0.4, "Yes, quickly. And the laboratory now waits for the results."),
            raise_severity(TOM, 0.1, 1),
            note(ARNO, 0.4, "Disk 9 has read errors too. With two weak disks: copy first, then rebuild."),
            reply(
                *(ARNO, 0.3),
                "Disk 9 is slow to read, so the rebuild tries again and again. I can set it to skip what disk 9 "
                "cannot read, and repair that from parity. May I connect?",
            ),
            comment(TOM, 0.2, "Please do. The maintenance access is open until 18:00."),
            reply(ARNO, 6, "It moves again: 91%. I will keep an eye on it tonight and write as soon as it is done."),
            comment(TOM, 14, "98% this morning. Thank you for staying with it."),
        ),
        second=NORA,
        more={"own_reference": "LAB-0417", "preferred_hours": "Any time, also at night"},
    ),
    Story(
        *(1.9, HELEN, {"serial": "LP31-5501-CC"}, "Riverside Clinic", 4),
        "Toner low although the cartridge is new",
        "We put in a new cartridge on Monday, and the display still says that toner is low.",
        (
            take(ARNO, 2),
            reply(ARNO, 0.3, "Hello Helen, was the cartridge's orange strip pulled out all the way?"),
            comment(HELEN, 2.5, "It was. We tried it with a second cartridge as well: same message."),
            *ask(
                *(ARNO, 18),
                "Then the chip of the first one may have been read wrongly. Please switch the printer off for a full "
                "minute, and on again. Is the message gone?",
            ),
        ),
        second=TOM,
    ),
    Story(
        *(1.1, HELEN, {"serial": "LP31-5501-CC"}, "Riverside Clinic", 3),
        "Paper jam in tray 3, every second page",
        "The printer has jammed on every second page since this morning, only from tray 3. "
        "We cleaned the rollers and tried another pack of paper: same result.",
        (
            take(ARNO, 14.7),
            *ask(
                *(ARNO, 0.1),
                "Thank you, Helen, the photo helps. Could you print the event log (Menu › Reports › Event log) and "
                "attach it here? It tells us whether the roller or the sensor is at fault.\n\nHow to do it, with "
                "pictures: https://support.portico.example/manuals/lp310#event-log",
            ),
        ),
        (JAMMED_SHEET,),
        second=TOM,
        more={"own_reference": "HD-2291", "preferred_hours": "Mon–Fri 8:00–16:00"},
    ),
    Story(
        *(0.9, TOM, {"serial": "RX42-0002-7F"}, "Main Hospital", 1),
        "Server reboots at night, second time this week",
        "The patient administration's server restarted at 2:14 without anybody touching it. "
        "On Sunday the same happened. Staff could not sign in for four minutes.",
        (
            take(ARNO, 0.3),
            reply(ARNO, 0.1, "Hello Tom, please attach the event log of the night, then I can see what reset it."),
            comment(TOM, 0.5, "Attached. The clock of the server is right.", REBOOT_LOG),
            reply(
                *(ARNO, 0.8),
                "Memory module B2 reports errors that it cannot correct: that is the reset. A technician comes "
                "tonight at 22:00 with a new module. The server will be off for about ten minutes.",
            ),
            comment(TOM, 1, "22:00 is fine. The night shift knows, and will let him in at the east gate."),
        ),
        more={"preferred_hours": "Any time", "problem_type": "Restarts by itself"},
    ),
    Story(
        *(0.5, TOM, {"serial": "RX42-0001-7F"}, "Main Hospital", 2),
        "Cannot reach the management port",
        "The management page of the server has not answered since last night. The server itself works.",
        (
            take(MIRA, 5),
            *ask(MIRA, 0.2, "Hello Tom, which firmware does the page About show? It is on the display at the front."),
        ),
    ),
    Story(
        *(0.07, NORA, {"serial": "LP31-5503-CC"}, "Northgate Laboratory", 3),
        "Scanner glass cracked in transport to the ward, replacement wanted before Monday",
        "The glass of the scanner broke when the printer was wheeled over. Printing works. "
        "Can we buy the glass from you and change it ourselves?",
        (call_me(NORA, 0.8),),
    ),
)
