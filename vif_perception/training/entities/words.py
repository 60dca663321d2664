"""The words of road scenes: entities, what else they are called, and words that are none."""

#: Entity -> other nouns for it, as lemmas. A noun may stand for two entities.
SYNONYMS = {
    'car': ('vehicle', 'automobile', 'suv', 'sedan', 'taxi', 'cab', 'van', 'minivan', 'jeep',
            'hatchback', 'police car'),
    'person': ('man', 'woman', 'pedestrian', 'people', 'child', 'boy', 'girl', 'kid', 'human',
               'figure', 'walker', 'passerby', 'cyclist', 'biker', 'rider', 'motorcyclist',
               'crowd', 'individual', 'adult', 'couple'),
    'bike': ('bicycle', 'cycle', 'cyclist', 'pushbike'),
    'motorcycle': ('motorbike', 'scooter', 'moped', 'motorcyclist'),
    'bus': ('coach', 'minibus'),
    'truck': ('lorry', 'pickup', 'pickup truck', 'trailer'),
    'road': ('street', 'roadway', 'highway', 'lane', 'asphalt', 'avenue',
             'intersection', 'crossroad', 'driveway', 'bike lane', 'parking lot', 'car park'),
    'sidewalk': ('pavement', 'footpath', 'walkway', 'footway', 'path', 'curb', 'kerb'),
    'building': ('house', 'skyscraper', 'apartment', 'tower', 'office building', 'shop',
                 'store', 'structure', 'facade', 'apartment building'),
    'tree': ('bush', 'shrub', 'hedge', 'vegetation', 'foliage', 'plant', 'palm', 'palm tree'),
    'grass': ('lawn', 'meadow', 'field'),
    'sky': ('cloud',),
    'traffic light': ('traffic signal', 'stoplight', 'stop light', 'signal light'),
    'traffic sign': ('road sign', 'street sign', 'stop sign', 'sign', 'signpost'),
    'street lamp': ('streetlight', 'streetlamp', 'street light', 'lamppost', 'lamp post',
                    'light pole', 'lamp'),
    'pole': ('post', 'utility pole', 'bollard', 'pillar', 'column'),
    'fence': ('railing', 'gate'),
    'guardrail': ('guard rail', 'crash barrier', 'barrier', 'barricade'),
    'wall': ('brick wall',),
    'bench': ('seat',),
    'umbrella': ('parasol',),
    'traffic cone': ('cone', 'color cone', 'colour cone', 'pylon'),
    'bump': ('speed bump', 'speed hump'),
    'crosswalk': ('pedestrian crossing', 'zebra crossing', 'crossing', 'zebra'),
    'bridge': ('overpass', 'flyover', 'viaduct'),
    'smoke': ('fog', 'haze', 'mist', 'steam'),
    'fire': ('flame', 'blaze'),
    'animal': ('dog', 'cat', 'bird', 'horse', 'cow', 'deer', 'sheep'),
    'boat': ('ship', 'canoe'),
    'window': (),
    'door': ('doorway',),
    'bag': ('backpack', 'rucksack', 'handbag', 'suitcase', 'luggage'),
    'bus stop': ('bus shelter', 'bus station', 'car stop'),
    'hydrant': ('fire hydrant',),
}

#: Nouns about the picture or the light, not about things in the scene.
STOP = frozenset({
    'image', 'picture', 'photo', 'photograph', 'view', 'background', 'foreground', 'scene',
    'side', 'front', 'back', 'middle', 'group', 'lot', 'area', 'light', 'lighting', 'night',
    'day', 'daytime', 'nighttime', 'evening', 'thermal', 'infrared', 'camera', 'footage',
    'frame', 'distance', 'row', 'line', 'number', 'color', 'colour', 'shadow', 'city', 'heat',
    'black', 'white', 'red', 'green', 'blue', 'yellow', 'orange', 'gray', 'grey', 'brown',
})

#: Words after which things are said to be absent, up to the next punctuation mark.
NEGATIONS = frozenset({'no', 'without', 'not', "isn't", "aren't", 'nor', 'neither'})
