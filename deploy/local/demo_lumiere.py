"""The cases of Imprimerie Lumière, in French, the oldest first."""

from deploy.local.demo_data import ARNO, CLAIRE, HUGO, LEA, MIRA
from deploy.local.demo_files import BACKUP_LOG, STRIPES
from deploy.local.demo_stories import Story, ask, cancel, close, comment, note, order, reply, resolve, take

LUMIERE = (
    Story(
        *(18.9, HUGO, {"serial": "LP31-7002-FR"}, "Agence de Paris", 3),
        "Stries verticales sur les copies couleur",
        "Depuis le changement de tambour, chaque copie couleur porte des stries claires de haut en bas. Photo jointe.",
        (
            take(MIRA, 3),
            reply(
                *(MIRA, 0.3),
                "Bonjour Hugo, merci pour la photo. Ces stries viennent du miroir du laser. Cette imprimante n’est "
                "plus couverte : je peux vous envoyer un devis pour la réparation.",
            ),
            comment(HUGO, 26, "Le devis est plus élevé que le prix d’une imprimante neuve. Claire décidera."),
            close(CLAIRE, 40, "Nous remplaçons l’imprimante plutôt que de la réparer.", resolved=False),
        ),
        (STRIPES,),
    ),
    Story(
        *(12.6, CLAIRE, {"serial": "RX42-0900-FR"}, "Atelier de Lyon", 3),
        "Ventilateur en défaut au démarrage",
        "Au démarrage, le serveur signale un défaut du ventilateur 1, puis fonctionne normalement.",
        (
            take(ARNO, 1),
            reply(ARNO, 0.3, "Bonjour Claire, un câble touche peut-être l’hélice. Pouvez-vous ouvrir le capot ?"),
            comment(CLAIRE, 21, "En effet, une attache s’était défaite. Le message a disparu."),
            resolve(ARNO, 0.5, "Attache de câble remise en place ; plus de défaut au démarrage."),
        ),
        more={"own_reference": "LUM-118"},
    ),
    Story(
        *(10.3, LEA, {"serial": "LP31-7002-FR"}, "Agence de Paris", 4),
        "Bac supplémentaire pour l’agence",
        "Peut-on ajouter un troisième bac à cette imprimante, et lequel faut-il commander ?",
        (cancel(LEA, 30, "L’imprimante va être remplacée : la question ne se pose plus."),),
    ),
    Story(
        *(5.7, LEA, {"serial": "ST90-3310-FR"}, "Agence de Paris", 2),
        "Sauvegarde nocturne interrompue",
        "La sauvegarde de cette nuit s’est arrêtée à 1 h 37. Le contrôleur B affiche un voyant orange. Journal joint.",
        (
            take(MIRA, 0.7),
            reply(MIRA, 0.4, "Bonjour Léa, le contrôleur A a pris le relais : vos données sont intactes."),
            note(MIRA, 0.3, "Controller B lost its cache battery. Part is in stock at the Paris depot."),
            *order(
                *(MIRA, 0.5),
                "La batterie du cache du contrôleur B est à changer. La pièce est commandée ; un technicien passe "
                "jeudi entre 14 h et 17 h.",
            ),
            comment(LEA, 20, "Jeudi nous convient. La sauvegarde de cette nuit s’est bien terminée."),
        ),
        (BACKUP_LOG,),
        second=CLAIRE,
        more={"preferred_hours": "Du lundi au vendredi, de 9 h à 17 h"},
    ),
    Story(
        *(3.8, HUGO, {"serial": "LP31-7001-FR"}, "Atelier de Lyon", 3),
        "Bourrage papier dans le bac 2",
        "Le papier se coince dans le bac 2 toutes les dix pages environ. Le bac 1 fonctionne bien.",
        (
            take(MIRA, 2.2),
            reply(MIRA, 0.2, "Bonjour Hugo, quel papier utilisez-vous dans le bac 2 ?"),
            comment(HUGO, 1, "Du 120 g, comme toujours. Nous avons essayé du 80 g : même chose."),
            *ask(
                *(MIRA, 17),
                "Merci. Pouvez-vous nettoyer les deux rouleaux du bac comme montré ici, puis imprimer trente pages ?"
                "\n\nhttps://support.portico.example/fr/manuels/lp310#rouleaux\n\nSe coince-t-il encore ?",
            ),
        ),
    ),
    Story(
        *(1.5, CLAIRE, {"serial": "RX42-0900-FR"}, "Atelier de Lyon", 1),
        "Le serveur ne redémarre plus après la mise à jour",
        "Après la mise à jour du micrologiciel, le serveur reste sur l’écran de démarrage. "
        "Les travaux d’impression de tout l’atelier passent par lui.",
        (
            take(ARNO, 0.2),
            reply(
                ARNO, 0.1, "Bonjour Claire, je vous appelle tout de suite. Laissez-le sous tension, s’il vous plaît."
            ),
            comment(CLAIRE, 0.3, "Merci. L’écran affiche « Image 2 not found »."),
            reply(
                *(ARNO, 0.4),
                "La deuxième copie du micrologiciel est incomplète. Je prépare une clé de démarrage : le lien "
                "arrive dans une demi-heure, avec la marche à suivre.",
            ),
            comment(CLAIRE, 2, "Le serveur a démarré avec la clé. Les travaux repartent, ouf !"),
            note(ARNO, 0.3, "Keep open until the second image is written again. Tell development about 2.14."),
            reply(ARNO, 0.2, "Bien ! Laissez la clé en place ; ce soir, nous écrirons la deuxième copie à distance."),
        ),
        second=HUGO,
        more={"own_reference": "LUM-131", "preferred_hours": "À toute heure"},
    ),
    Story(
        *(0.35, HUGO, {"serial": "LP31-7001-FR"}, "Atelier de Lyon", 4),
        "Le chargeur prend deux feuilles à la fois",
        "Quand on numérise une pile, le chargeur avale parfois deux feuilles, et une page manque au document.",
    ),
)
